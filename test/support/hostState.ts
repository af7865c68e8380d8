import { readdir, readFile, readlink } from 'node:fs/promises';
import { homedir, tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { execa } from 'execa';
import { hierarchies } from '../../src/host/cgroup/hierarchies.ts';
import { mountTable } from '../../src/lib/mountTable.ts';
import { processTable } from './processes.ts';

/** Resources of one kind on this machine: the identity of each, and its description. */
export type Resources = Map<string, string>;

/** Where tests put their data. */
const temporaryFolders = [tmpdir(), '/var/tmp', '/dev/shm'];

/** The folders of a host where a node, its components or its tests may write. */
const writtenFolders = [
  ...temporaryFolders,
  '/etc',
  '/etc/cni',
  '/etc/systemd/system',
  '/opt',
  '/var/lib',
  '/var/log',
  join(homedir(), '.kube'),
  join(homedir(), '.config'),
];

/** Lists each kind of resource that a node could leave on a host, except processes. */
export const kinds: Readonly<Record<string, () => Promise<Resources>>> = {
  mount: async () =>
    new Map(mountTable().map((mount) => [`${mount.mountPoint} ${mount.device}`, mount.mountPoint])),
  interface: async () => lines(await output('ip', '-oneline', 'link'), (line) => line.split(':')[1] ?? line),
  address: async () =>
    lines(await output('ip', '-oneline', 'address'), (line) => line.replace(/\s+valid_lft.*/, '')),
  route: async () =>
    lines(
      (await output('ip', '-4', 'route', 'show', 'table', 'all')) +
        (await output('ip', '-6', 'route', 'show', 'table', 'all')),
      (line) => line.replace(/ expires \S+/, ''),
    ),
  rule: async () => lines(await output('ip', 'rule')),
  'packet filter rule': async () =>
    lines(
      (await output('nft', 'list', 'ruleset')) +
        (await output('iptables-legacy-save')) +
        (await output('ip6tables-legacy-save')) +
        (await read('/proc/net/ip_tables_names')),
      (line) =>
        line.startsWith('#') ? '' : line.replaceAll(/\[\d+:\d+\]|counter packets \d+ bytes \d+/g, ''),
    ),
  namespace: async () => {
    const holders: Resources = new Map();
    for (const pid of (await processTable()).keys()) {
      for (const type of ['cgroup', 'ipc', 'mnt', 'net', 'pid', 'time', 'user', 'uts']) {
        const namespace = await readlink(`/proc/${pid}/ns/${type}`).catch(() => undefined);
        if (namespace) holders.set(namespace, `${holders.get(namespace) ?? namespace} pid=${pid}`);
      }
    }
    return holders;
  },
  cgroup: async () => {
    const found = await Promise.all(
      hierarchies().map(({ root }) => below(root, (entry) => entry.isDirectory())),
    );
    return new Map(found.flat().map((path) => [path, path]));
  },
  'listening socket': async () => lines(await output('ss', '-Hltunp'), socketName),
  'unix socket': async () => lines(await output('ss', '-Hlxp'), socketName),
  'file in /run': async () => new Map((await below('/run', () => true)).map((path) => [path, path])),
  file: async () => {
    const found = await Promise.all(
      writtenFolders.map(async (folder) =>
        (await readdir(folder).catch(() => [])).map((name) => join(folder, name)),
      ),
    );
    // Other programs on this machine have temporary files, too.
    const paths = found.flat().filter((path) => !isTemporary(path) || path.includes('k8s-single'));
    return new Map(paths.map((path) => [path, path]));
  },
  setting: async () => {
    const files = (
      await Promise.all(
        ['kernel', 'vm'].map((folder) => below(join('/proc/sys', folder), (entry) => entry.isFile())),
      )
    ).flat();
    const stable = files.filter((file) => !/\/(random|pty|ns_last_pid|usermodehelper)/.test(file));
    const settings = await Promise.all(
      ['/proc/sys/net/ipv4/ip_forward', ...stable].map(
        async (file) => `${file} = ${(await read(file)).trim()}`,
      ),
    );
    return new Map(settings.map((setting) => [setting, setting]));
  },
};

function isTemporary(path: string): boolean {
  return temporaryFolders.includes(dirname(path));
}

/** The protocol and the address, for a unix socket also the inode; without queue lengths and processes. */
function socketName(line: string): string {
  const [protocol, , , , ...address] = line.split(/\s+/);
  return [protocol, ...address.slice(0, 2)].join(' ');
}

/** One resource per line, identified by the result of `key`; lines with an empty key are dropped. */
function lines(text: string, key: (line: string) => string = (line) => line): Resources {
  const all = text.split('\n').map((line): [string, string] => [key(line).trim(), line.trim()]);
  return new Map(all.filter(([id]) => id !== ''));
}

/** The output of a tool; nothing if it is not installed. */
async function output(file: string, ...args: string[]): Promise<string> {
  const { failed, code, stdout, message } = await execa(file, args, { reject: false, env: { LC_ALL: 'C' } });
  if (failed && code !== 'ENOENT') throw new Error(message);
  return `${stdout ?? ''}\n`;
}

async function below(
  folder: string,
  matches: (entry: { isFile(): boolean; isDirectory(): boolean }) => boolean,
): Promise<string[]> {
  const found: string[] = [];
  for (const entry of await readdir(folder, { withFileTypes: true }).catch(() => [])) {
    const path = join(folder, entry.name);
    if (matches(entry)) found.push(path);
    if (entry.isDirectory()) found.push(...(await below(path, matches)));
  }
  return found;
}

/** The text of a file; nothing if it cannot be read. */
async function read(file: string): Promise<string> {
  return readFile(file, 'utf8').catch(() => '');
}
