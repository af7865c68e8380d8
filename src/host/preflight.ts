import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, lstatSync, readFileSync, readlinkSync, realpathSync, statSync } from 'node:fs';
import type { Stats } from 'node:fs';
import { dirname, join } from 'node:path';
import { builtAt } from '../lib/version.ts';
import { Failure, reasonOf } from '../lib/errors.ts';
import { nearestExisting } from '../lib/paths.ts';
import { hasErrorCode } from '../lib/systemError.ts';
import { ok, problem, toFailure } from './checkResult.ts';
import type { CheckResult } from './checkResult.ts';
import { checkDisk } from './diskSpace.ts';
import { checkDataMount } from './dataMount.ts';
import { assertRoot } from './root.ts';
import { notInstalled, pathWithSbin } from './tool.ts';

/**
 * Rejects with a preflight {@link Failure} when this process cannot create the namespaces of a node. `alternative` is part of
 * the hint: how to run without them.
 */
export async function assertCanIsolate(
  alternative = 'run the node on the host itself with --host',
): Promise<void> {
  assertRoot();
  const args = ['--net', '--mount', '--uts', '--pid', '--ipc', '--fork', '--mount-proc', 'true'];
  const env = { ...process.env, PATH: pathWithSbin() };
  const trial = spawn('unshare', args, { stdio: ['ignore', 'ignore', 'pipe'], env });
  let stderr = '';
  trial.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
  const [code, signal]: unknown[] = await once(trial, 'close').catch((error: unknown) => {
    if (hasErrorCode(error, 'EAGAIN'))
      throw new Failure('preflight', `cannot start unshare: ${reasonOf(error)}`, { hint: noProcessLeft });
    throw notInstalled('unshare', error);
  });
  if (code !== 0) {
    throw new Failure(
      'preflight',
      `cannot create the node's namespaces: ${stderr.trim() || `unshare ended with ${String(code ?? signal)}`}`,
      { hint: limitReached(stderr) ?? `in a container run it with --privileged; or ${alternative}` },
    );
  }
}

/** What to do if a limit of the kernel is reached, by the error of unshare(2) or fork(2). `undefined` for another reason. */
function limitReached(error: string): string | undefined {
  if (error.includes('Resource temporarily unavailable')) return noProcessLeft;
  if (!error.includes('No space left on device')) return undefined;
  // Which limit it is, unshare(2) does not say: most likely the lowest.
  const limits = ['net', 'mnt', 'uts', 'pid', 'ipc']
    .map((kind) => `user.max_${kind}_namespaces`)
    .map((name) => ({ name, value: Number(readFileSync(`/proc/sys/${name.replace('.', '/')}`, 'utf8')) }));
  const least = Math.min(...limits.map(({ value }) => value));
  const names = limits.flatMap(({ name, value }) => (value === least ? [name] : []));
  const raise = names.map((name) => `${name}=${Math.max(2 * least, 1000)}`).join(' ');
  return `${names.join(', ')} is ${least}, and reached: sysctl -w ${raise}; or end what holds namespaces: see lsns`;
}

/** After EAGAIN of fork(2). */
const noProcessLeft =
  'no process can be started: raise ulimit -u, kernel.pid_max or the limit of the cgroup (pids.max; TasksMax of systemd), or end other processes';

/**
 * Checks everything that can be checked before a node of Kubernetes makes its first file.
 * @throws Failure `preflight` with what to do.
 */
export function assertCanBoot(data: string, minFreeMiB?: number): void {
  const checks = [
    () => checkClock(),
    () => checkDataPath(data),
    () => checkDataFolder(data),
    () => checkDataOwner(data),
    () => checkDataMount(data),
    () => checkDisk(data, minFreeMiB),
  ];
  for (const check of checks) {
    const result = check();
    if (result.level === 'problem') throw toFailure(result);
  }
}

/** Whether the data folder is a folder, or can be made: its nearest ancestor that exists is one. */
export function checkDataFolder(data: string): CheckResult {
  const subject = 'data folder';
  const remedy = 'remove what is in the way, or choose another folder: --data-dir';
  for (let path = data; ; path = dirname(path)) {
    let entry: Stats | undefined;
    try {
      entry = lstatSync(path, { throwIfNoEntry: false });
    } catch (error) {
      // Below a file; a loop of links.
      if (!hasErrorCode(error, 'ENOTDIR', 'ELOOP')) throw error;
    }
    if (entry === undefined) continue;
    const target = entry.isSymbolicLink() ? statSync(path, { throwIfNoEntry: false }) : entry;
    const below = path === data ? '' : `${data} cannot be made: `;
    if (target === undefined) return problem(subject, `${below}${path} is a link to nothing`, remedy);
    if (!target.isDirectory()) return problem(subject, `${below}${path} is a file, not a folder`, remedy);
    return ok(subject, data);
  }
}

/** How far a clock may be behind, in ms: by a wrong time zone, or because the program was built on another machine. */
const clockToleranceMs = 24 * 3_600_000;

/**
 * Certificates made under a wrong clock are expired, or not valid yet, once it is set. A clock that is earlier than the program was never
 * set, as on a board without a battery.
 * @param now in ms since the epoch
 * @param built when the program was built; an early day when it runs from its sources
 */
export function checkClock(now = Date.now(), built = builtAt() ?? new Date('2026-01-01')): CheckResult {
  const time = new Date(now).toISOString().replace(/\.\d+Z$/, 'Z');
  if (now >= built.getTime() - clockToleranceMs) return ok('clock', time);
  const day = built.toISOString().slice(0, 10);
  const message = `${time} is wrong, as this program was built on ${day}: certificates made now would be expired once it is set`;
  return problem('clock', message, 'set it with date --set, or wait for NTP; then start the node');
}

/**
 * The longest path of a data folder, in bytes. A unix socket's path has at most 107 (unix(7)), and the kubelet's is
 * `<data>/kubelet/pod-resources/kubelet.sock`.
 */
const maxDataPath = 107 - '/kubelet/pod-resources/kubelet.sock'.length;

/** The kubelet dies of a path that is too long for its socket. */
export function checkDataPath(data: string): CheckResult {
  const length = Buffer.byteLength(data);
  if (length <= maxDataPath) return ok('data path', `${length} bytes`);
  const message = `${data} has ${length} bytes: at most ${maxDataPath} fit into the path of the kubelet's socket`;
  return problem('data path', message, 'choose a shorter path: --data-dir, or dataDir in the config');
}

/**
 * Refuses a data folder that another user of the machine could replace, or fill with links, while root works on it: one that
 * belongs to somebody else, or that everybody may write to, itself or a folder above it. In a container there is nobody else.
 */
export function checkDataOwner(data: string): CheckResult {
  const subject = 'data owner';
  if (inContainer() !== undefined) return ok(subject, 'in a container');
  const existing = nearestExisting(data);
  const stat = statSync(existing);
  // Of a user who becomes root by sudo, it is in good hands.
  const trusted = [0, process.getuid?.(), Number(process.env['SUDO_UID'] || 0)];
  if (existing === data && !trusted.includes(stat.uid)) {
    const message = `${data} belongs to another user, with the id ${stat.uid}, who could replace what is in it`;
    return problem(subject, message, `chown root ${data}, or choose another folder: --data-dir`);
  }
  const real = realpathSync(existing);
  const folders = foldersTo(real).map((folder) => ({ folder, mode: statSync(folder).mode }));
  // Nobody else gets through one of these.
  if (folders.some(({ mode }) => (mode & 0o001) === 0)) return ok(subject, 'no other user reaches it');
  const open = folders.find(({ folder, mode }) => {
    const isData = folder === real && existing === data;
    // In a folder like /tmp, nobody can replace what belongs to another.
    return (mode & 0o002) !== 0 && (isData || (mode & 0o1000) === 0);
  });
  if (open === undefined) return ok(subject, 'no other user can replace it');
  const message = `everybody may write to ${open.folder}, and replace what is in it`;
  return problem(subject, message, `chmod o-w ${open.folder}, or choose another folder: --data-dir`);
}

/** The folder and all above it. */
function foldersTo(folder: string): string[] {
  const parent = dirname(folder);
  return parent === folder ? [folder] : [folder, ...foldersTo(parent)];
}

/** PROC_PID_INIT_INO (include/linux/proc_ns.h): the PID namespace that the kernel creates at boot. */
const initialPidNamespace = 'pid:[4026531836]';

function pidNamespaceOf(root: string): string | undefined {
  try {
    return readlinkSync(join(root, 'proc/self/ns/pid'));
  } catch {
    return undefined;
  }
}

/**
 * Why this process seems to run in a container, where the container is the isolation; `undefined` on a host.
 * `root` is for tests.
 */
export function inContainer(root = '/', env: NodeJS.ProcessEnv = process.env): string | undefined {
  // First, because an image may contain any of the files below: no container has the initial PID namespace.
  if (pidNamespaceOf(root) === initialPidNamespace) return undefined;
  const marks = ['.dockerenv', 'run/.containerenv', 'run/systemd/container'];
  const mark = marks.find((file) => existsSync(join(root, file)));
  if (mark !== undefined) return `/${mark} exists`;
  if (env['KUBERNETES_SERVICE_HOST'] !== undefined) return 'KUBERNETES_SERVICE_HOST is set';
  const read = (file: string): string => {
    try {
      return readFileSync(join(root, file), 'utf8');
    } catch {
      return '';
    }
  };
  const container = /(?:^|\0)container=([^\0]+)/.exec(read('proc/1/environ'))?.[1];
  if (container !== undefined) return `PID 1 runs with container=${container}`;
  const group = /[:/](?:docker|kubepods|containerd|lxc|libpod)[-/.].*/.exec(read('proc/1/cgroup'))?.[0];
  return group === undefined ? undefined : `PID 1 is in the cgroup ${group}`;
}
