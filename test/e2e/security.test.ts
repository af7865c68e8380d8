import { randomBytes } from 'node:crypto';
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { execa } from 'execa';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { nodeProcesses } from '../../src/host/cgroup/nodeCgroup.ts';
import { readNodeFile } from '../../src/instance/nodeFile.ts';
import { encryptionFile, readEncryption } from '../../src/kubernetes/encryption.ts';
import { nodePaths } from '../../src/lib/paths.ts';
import { cli } from '../support/cli.ts';
import { TestNode } from '../support/testNode.ts';

const node = new TestNode('e2e-security');
const paths = nodePaths(node.name, node.dataDir);

/** Secrets as nothing but their owner may have them: not words that a redactor knows, but values. */
const planted = {
  secret: `planted-${randomBytes(12).toString('hex')}`,
  registry: `planted-${randomBytes(12).toString('hex')}`,
  config: `planted-${randomBytes(12).toString('hex')}`,
  envFile: `planted-${randomBytes(12).toString('hex')}`,
  proxy: `planted-${randomBytes(12).toString('hex')}`,
};
const values = new Set(Object.values(planted));

let config = '';
async function up(encryption: boolean): Promise<void> {
  writeFileSync(
    config,
    `encryption: ${encryption}
components:
  own:
    command: [sh, -c, 'touch /run/own; exec sleep 100000']
    env: { REGISTRY_PASSWORD: ${planted.config} }
    envFile: [own.env]
    ready: { file: /run/own }
`,
    { mode: 0o600 },
  );
  writeFileSync(join(config, '../own.env'), `REGISTRY_TOKEN=${planted.envFile}\n`, { mode: 0o600 });
  const args = node.args('up', '--detach', '--output', 'plain', '--config', config);
  const env = { HTTPS_PROXY: `http://user:${planted.proxy}@127.0.0.1:9` };
  const { exitCode, all } = await cli(args, { env, all: true });
  expect(exitCode, String(all)).toBe(0);
  expect(plantedIn(String(all))).toEqual([]);
}

function plantedIn(text: string): string[] {
  return [...values].filter((value) => text.includes(value) || text.includes(btoa(value)));
}

/**
 * What is to be in the environment of a program, which only root reads: what the config gives to a component, and the proxy of
 * whoever starts the node in that of the init and the supervisor, and of what pulls images.
 */
function askedFor(program: string): string[] {
  if (program === 'sleep') return [...values];
  return /^(?:sh|node|containerd)/.test(program) ? [planted.proxy] : [];
}

/** Every regular file below a folder that is not on another file system, as those of pods in memory are. */
function filesBelow(folder: string): string[] {
  const { dev } = statSync(folder);
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) return statSync(path).dev === dev ? filesBelow(path) : [];
    return entry.isFile() ? [path] : [];
  });
}

/** What etcd has on the disk of the Secret `planted`. */
function stored(): string {
  return filesBelow(paths.etcd)
    .map((file) => readFileSync(file, 'latin1'))
    .join('');
}

beforeAll(async () => {
  await node.remove();
  config = join(mkdtempSync('/var/tmp/k8s-single-e2e-security-'), 'c.yaml');
  await up(false);
  await node.apply(
    {
      apiVersion: 'v1',
      kind: 'Secret',
      metadata: { name: 'planted' },
      stringData: { value: planted.secret },
    },
    {
      apiVersion: 'v1',
      kind: 'Secret',
      type: 'kubernetes.io/basic-auth',
      metadata: { name: 'registry' },
      stringData: { username: 'user', password: planted.registry },
    },
  );
});

afterAll(async () => {
  await node.remove();
  rmSync(join(config, '..'), { recursive: true });
});

describe('a running node', () => {
  it('listens on loopback and its own address only, but for the API server', async () => {
    const { ip } = await readNodeFile(node.name);
    const pid = await node.hostPid(1);
    const net = async (...args: string[]): Promise<string[]> =>
      (await execa('nsenter', [`--net=/proc/${pid}/ns/net`, 'ss', '--no-header', ...args])).stdout.split(
        '\n',
      );
    const sockets = [...(await net('-Hltn')), ...(await net('-Hlun'))].filter(Boolean);
    const addresses = sockets.map((line) => line.trim().split(/\s+/)[3] ?? line);
    const isOwn = (address: string): boolean =>
      /^(?:127\.0\.0\.1|\[::1\]):/.test(address) || address.startsWith(`${ip}:`);
    expect(addresses.length).toBeGreaterThan(8);
    expect([...new Set(addresses.filter((address) => !isOwn(address)))]).toEqual(['*:6443']);
  });

  it('refuses other users: sockets, run and data folder, and what is in them', async () => {
    const asNobody = async (...command: string[]) =>
      execa('setpriv', ['--reuid=65534', '--regid=65534', '--clear-groups', ...command], { reject: false });
    for (const folder of [paths.run, paths.data]) {
      expect((await asNobody('ls', folder)).exitCode, folder).not.toBe(0);
      const { stdout } = await asNobody('find', folder, '-readable');
      expect(stdout).toBe('');
    }
    for (const socket of [paths.controlSocket, paths.containerdSocket]) {
      const connect = `require('net').connect(process.argv[1]).on('connect', () => process.exit(0)).on('error', (e) => { console.log(e.code); process.exit(1); })`;
      const { stdout } = await asNobody(process.execPath, '-e', connect, socket);
      expect(stdout, socket).toBe('EACCES');
    }
  });

  it('has planted secrets in no command line, environment, log, event or report', async () => {
    const found: string[] = [];
    const search = (where: string, text: string): void => {
      for (const value of plantedIn(text)) found.push(`${where}: ${value}`);
    };
    for (const pid of await nodeProcesses(node.name)) {
      const read = (name: string): string => {
        try {
          return readFileSync(`/proc/${pid}/${name}`, 'utf8');
        } catch {
          return '';
        }
      };
      search(`command line of ${pid}`, read('cmdline'));
      const program = read('comm').trim();
      const environ = askedFor(program).reduce((text, value) => text.replaceAll(value, ''), read('environ'));
      search(`environment of ${program} (${pid})`, environ);
    }
    for (const file of filesBelow(paths.logs)) search(file, readFileSync(file, 'utf8'));
    for (const file of filesBelow(paths.data).filter((path) => !path.startsWith(paths.etcd)))
      search(file, readFileSync(file, 'latin1'));
    search('status', await node.run('status', '--output', 'json'));
    search('events', await node.kubectl('get', 'events', '--all-namespaces', '-o', 'json'));
    search('config', (await cli(['config', 'show', '--config', config])).stdout as string);
    const report = join(config, '../report');
    await node.run('report', '--output', report);
    const isFile = statSync(report).isFile();
    search(
      'report',
      isFile
        ? (await execa('tar', ['-xzOf', report])).stdout
        : filesBelow(report)
            .map((f) => readFileSync(f, 'utf8'))
            .join('\n'),
    );
    expect(found).toEqual([]);
    // The search finds what is there.
    expect(plantedIn(await node.kubectl('get', 'secret', 'planted', '-o', 'json'))).toEqual([planted.secret]);
  });
});

describe('the encryption of Secrets', () => {
  it('rewrites them all when it is switched on, and with a new key, which alone is left', async () => {
    expect(stored()).toContain(planted.secret);
    await node.run('down');
    await up(true);
    expect((await node.status()).get('secrets-encryption')).toMatchObject({ state: 'ready' });
    const [first, ...others] = readEncryption(encryptionFile(paths))!.keys;
    expect(others).toEqual([]);
    const read = async (): Promise<string> =>
      atob(await node.kubectl('get', 'secret', 'planted', '-o', 'jsonpath={.data.value}'));
    const keyOf = async (): Promise<string> => {
      const tls = { ca: 'etcd-ca.crt', cert: 'apiserver-etcd-client.crt', key: 'apiserver-etcd-client.key' };
      const pid = await node.hostPid(1);
      const { stdout } = await execa('nsenter', [
        `--net=/proc/${pid}/ns/net`,
        process.execPath,
        '-e',
        `const fs = require('fs');
         const file = (name) => fs.readFileSync('${paths.pki}/' + name);
         const body = JSON.stringify({ key: btoa('/registry/secrets/default/planted') });
         const tls = { ca: file('${tls.ca}'), cert: file('${tls.cert}'), key: file('${tls.key}') };
         require('https').request('https://127.0.0.1:4001/v3/kv/range', { ...tls, method: 'POST' }, (response) => {
           let text = '';
           response.on('data', (part) => (text += part)).on('end', () => console.log(atob(JSON.parse(text).kvs[0].value)));
         }).end(body);`,
      ]);
      expect(stdout).not.toContain(planted.secret);
      return /^k8s:enc:secretbox:v1:([^:]+):/.exec(stdout)?.[1] ?? stdout.slice(0, 40);
    };
    expect([await read(), await keyOf()]).toEqual([planted.secret, first!.name]);

    const rotated = await cli(['encryption', 'rotate', '--name', node.name], { all: true });
    expect(rotated.exitCode, String(rotated.all)).toBe(0);
    const [second, ...rest] = readEncryption(encryptionFile(paths))!.keys;
    expect(rest).toEqual([]);
    expect(second!.name).not.toBe(first!.name);
    expect([await read(), await keyOf()]).toEqual([planted.secret, second!.name]);
    const { checks } = JSON.parse(await node.run('doctor', '--security', '--json')) as {
      checks: { id: string; result: string }[];
    };
    expect(checks.filter(({ result }) => result === 'fail')).toEqual([]);
    expect(checks.filter(({ id }) => /^1\.2\.2[78]$/.test(id)).map(({ result }) => result)).toEqual([
      'pass',
      'pass',
    ]);
  });
});
