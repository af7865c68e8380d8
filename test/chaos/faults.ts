import {
  chmod,
  copyFile,
  mkdir,
  open,
  readdir,
  readFile,
  rename,
  rm,
  stat,
  truncate,
  writeFile,
} from 'node:fs/promises';
import type { FileHandle } from 'node:fs/promises';
import { existsSync } from 'node:fs';
import { connect } from 'node:net';
import { once } from 'node:events';
import { constants } from 'node:os';
import { basename, dirname, join, relative } from 'node:path';
import { execa } from 'execa';
import { errorCode } from '../../probes/errorCode.ts';
import { Unhealthy } from '../../probes/probe.ts';
import { until } from '../../probes/until.ts';
import { hierarchies } from '../../src/host/cgroup/hierarchies.ts';
import { nodeCgroup } from '../../src/host/cgroup/nodeCgroup.ts';
import { exitCodes } from '../../src/lib/errors.ts';
import { nodePaths, packageFile } from '../../src/lib/paths.ts';
import { testBinaries } from '../support/installBinaries.ts';
import { signalIfThere } from '../support/processes.ts';
import { nodeServices } from '../support/testNode.ts';
import { boundMs } from './chaosNode.ts';
import type { ChaosNode } from './chaosNode.ts';
import { pause } from './random.ts';
import type { Random } from './random.ts';

/** What a fault has to work with. */
interface Scene {
  readonly node: ChaosNode;
  readonly random: Random;
  /** To be called when the cause of the fault has ended, if that is before the fault has been waited for. The last call counts. */
  readonly causeEnded: () => void;
}

/**
 * Injects one fault into a node that is ready, and ends its cause. Resolves with what was done. The node may be down then: the suite
 * starts it. Rejects when the node has done something that it must not.
 */
export type Fault = (scene: Scene) => Promise<string>;

/** Kinds of faults, by name. */
export const faults: Readonly<Record<string, Fault>> = {
  kill: async (scene) => signalComponents(scene, 'SIGKILL', 3),
  hang: async (scene) => signalComponents(scene, 'SIGSTOP', 3),
  'kill-all': async (scene) => signalComponents(scene, 'SIGKILL', nodeServices.length),
  around: killAround,
  freeze: freezeAround,
  boot: killDuringBoot,
  shutdown: killDuringShutdown,
  file: damageFile,
  'disk-full': fillDisk,
  'disk-read-only': makeReadOnly,
  'disk-error': breakDisk,
  quota: reachQuota,
  port: stealPort,
  program: breakProgram,
  memory: pressMemory,
  flood: floodLogs,
  requests: askSlowly,
  storm: stormOfCommands,
  clock: stepClock,
};

/** The kinds of a run that asks for none: all but the clock, which takes five minutes and a Debian package that others do without. */
export const defaultKinds: readonly string[] = Object.keys(faults).filter((kind) => kind !== 'clock');

async function signalComponents(
  { node, random, causeEnded }: Scene,
  signal: NodeJS.Signals,
  most: number,
): Promise<string> {
  const processes = await node.components();
  const there = nodeServices.filter((name) => processes.has(name));
  const chosen = most === nodeServices.length ? there : random.some(there, most);
  if (chosen.length === 0) throw new Error('no component runs');
  for (const name of chosen) await signalIfThere(processes.get(name)!, signal);
  causeEnded();
  // A node that has not noticed that a process hangs calls itself ready.
  await until(
    async () => {
      const left = chosen.filter((name) => existsSync(`/proc/${processes.get(name)!.pid}`));
      if (left.length > 0) throw new Unhealthy(`not ended yet: ${left.join(', ')}`);
    },
    { timeoutMs: boundMs },
    new AbortController().signal,
  );
  return `${signal} to ${chosen.join(', ')}`;
}

/** A process around the components of a ready node. */
async function killAround({ node, random, causeEnded }: Scene): Promise<string> {
  const chain = await node.around();
  if (chain.length === 0) throw new Error(`only ${chain.length} processes around the components`);
  const index = random.integer(0, chain.length - 1);
  await signalIfThere(chain[index]!, 'SIGKILL');
  causeEnded();
  await pause(random.integer(0, 3000));
  return `SIGKILL to ${chain[index]!.command.slice(0, 40)}`;
}

/** A process around the components is stopped for a while, as by a debugger or a machine that sleeps. Nobody else notices. */
async function freezeAround({ node, random }: Scene): Promise<string> {
  const frozen = random.pick(await node.around());
  const seconds = random.integer(1, 20);
  await signalIfThere(frozen, 'SIGSTOP');
  await pause(seconds * 1000);
  await signalIfThere(frozen, 'SIGCONT');
  return `SIGSTOP for ${seconds} s to ${frozen.command.slice(0, 40)}`;
}

/** The launcher, or a process around the components, at any moment of a boot. */
async function killDuringBoot({ node, random, causeEnded }: Scene): Promise<string> {
  await expectCode(node.command('down'), [exitCodes.ok]);
  const boot = node.start();
  const delay = random.integer(50, 6000);
  await pause(delay);
  const isLauncher = random.next() < 0.3;
  const chain = await node.around();
  const victim = isLauncher ? undefined : random.pick(chain);
  if (victim === undefined) boot.kill('SIGKILL');
  else await signalIfThere(victim, 'SIGKILL');
  causeEnded();
  const { exitCode, all } = await boot;
  if (exitCode === exitCodes.bug) throw new Error(`up exits with ${exitCode}: ${String(all)}`);
  return `SIGKILL ${delay} ms into a boot, to ${victim?.command.slice(0, 40) ?? 'the launcher'}`;
}

async function killDuringShutdown({ node, random, causeEnded }: Scene): Promise<string> {
  const chain = await node.around();
  const stop = node.command('down');
  const delay = random.integer(0, 1500);
  await pause(delay);
  const victim = random.pick(chain);
  await signalIfThere(victim, 'SIGKILL');
  causeEnded();
  const { exitCode, all } = await stop;
  if (exitCode !== exitCodes.ok) throw new Error(`down exited with ${exitCode}: ${String(all)}`);
  return `SIGKILL ${delay} ms into a shutdown, to ${victim.command.slice(0, 40)}`;
}

const damages: Readonly<Record<string, (file: string, random: Random) => Promise<void>>> = {
  emptied: async (file) => truncate(file, 0),
  'cut off': async (file, random) => truncate(file, Math.floor((await stat(file)).size * random.next())),
  garbled: async (file, random) => {
    const bytes = await readFile(file);
    for (let index = 0; index < bytes.length; index += random.integer(1, 512))
      bytes[index] = random.integer(0, 255);
    await writeFile(file, bytes);
  },
  removed: async (file) => rm(file),
  'a folder': async (file) => {
    await rm(file);
    await mkdir(file);
  },
};

/** A file of a node that is down. What it has lost is put back when the node says that it needs it. */
async function damageFile({ node, random, causeEnded }: Scene): Promise<string> {
  await expectCode(node.command('down'), [exitCodes.ok]);
  const files = [...(await filesBelow(node.dataDir)), ...(await filesBelow(node.cache))].filter(
    (file) => !/\/(?:log|lock|system-folders)(?:\/|$)/.test(relative(node.folder, file)),
  );
  const file = random.pick(files.sort());
  const name = random.pick(Object.keys(damages));
  const aside = join(node.folder, 'aside');
  await copyFile(file, aside);
  const { mode } = await stat(file);
  await damages[name]!(file, random);
  causeEnded();
  const what = `${relative(node.folder, file)} ${name}`;
  const { exitCode, all } = await node.start();
  if (exitCode === exitCodes.ok) return `${what}: made anew, or not needed`;
  await node.command('down');
  await rm(file, { recursive: true, force: true });
  await mkdir(dirname(file), { recursive: true });
  await copyFile(aside, file);
  await chmod(file, mode & 0o7777);
  // As it was: an error of the disk may be the next fault.
  await execa('sync', ['--file-system', node.folder, node.disk]);
  causeEnded();
  const clear: readonly (number | undefined)[] = [
    exitCodes.preflight,
    exitCodes.notReady,
    exitCodes.crashLoop,
  ];
  if (!clear.includes(exitCode)) throw new Error(`${what}: up exited with ${exitCode}: ${String(all)}`);
  if (![file, dirname(file)].some((each) => String(all).includes(each)))
    throw new Error(`${what}: the failure does not name it: ${String(all)}`);
  return `${what}: named, with exit code ${exitCode}, and put back`;
}

async function filesBelow(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { withFileTypes: true, recursive: true }).catch(() => []);
  return entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
}

async function fillDisk({ node, random }: Scene): Promise<string> {
  const path = join(node.disk, 'filler');
  const file = await open(path, 'wx');
  const mebibyte = Buffer.alloc(2 ** 20);
  const seconds = random.integer(2, 8);
  try {
    const error = await writeForEver(file, mebibyte);
    if (errorCode(error) !== 'ENOSPC') throw error;
    await pause(seconds * 1000);
  } finally {
    await file.close();
    await rm(path);
  }
  return `a full disk for ${seconds} s`;
}

/** Resolves with the error that ends it. */
async function writeForEver(file: FileHandle, content: Buffer): Promise<unknown> {
  try {
    for (;;) await file.write(content);
  } catch (error) {
    return error;
  }
}

/** A start on a file system that is read-only. While a node writes to it, the kernel refuses to make it so. */
async function makeReadOnly({ node }: Scene): Promise<string> {
  await expectCode(node.command('down'), [exitCodes.ok]);
  const remount = async (mode: 'ro' | 'rw') =>
    execa('mount', ['--no-mtab', '-o', `remount,${mode}`, node.disk]);
  await remount('ro');
  try {
    const { exitCode, all } = await node.start();
    if (exitCode !== exitCodes.preflight || !String(all).includes(node.dataDir))
      throw new Error(`up on a read-only file system exits with ${exitCode}: ${String(all)}`);
  } finally {
    await remount('rw');
  }
  return 'a start on a read-only file system, refused with its reason';
}

/** The disk has an error, and its file system turns read-only under open files until the machine mounts it again. */
async function breakDisk({ node, random }: Scene): Promise<string> {
  const seconds = random.integer(0, 5);
  const { stdout: device } = await execa('findmnt', ['--noheadings', '--output', 'SOURCE', node.disk]);
  // ext4 takes it for an error of the device (Documentation/ABI/testing/sysfs-fs-ext4).
  await writeFile(`/sys/fs/ext4/${basename(device)}/trigger_fs_error`, 'chaos');
  try {
    await notHealthy(node, 60_000);
    await pause(seconds * 1000);
    await expectCode(node.command('down'), [exitCodes.ok]);
  } finally {
    await node.command('down');
    await node.unmountDisk();
    await node.mountDisk();
  }
  return `the file system read-only under open files, seen, and for ${seconds} s more`;
}

/** Waits until `healthcheck` says that the node is not ready. */
async function notHealthy(node: ChaosNode, timeoutMs: number): Promise<void> {
  const isUnhealthy = async (): Promise<void> => {
    const { exitCode } = await node.command('healthcheck');
    if (exitCode === exitCodes.ok) throw new Unhealthy('healthcheck passes all the time');
  };
  await until(isUnhealthy, { timeoutMs, attemptTimeoutMs: timeoutMs }, new AbortController().signal);
}

/** Objects of 500 kB, until etcd refuses one; they are deleted then. */
async function reachQuota({ node }: Scene): Promise<string> {
  const file = join(node.folder, 'large');
  await writeFile(file, 'x'.repeat(500_000));
  const create = ['create', 'configmap', '--namespace', 'kube-public', `--from-file=${file}`];
  let count = 0;
  let refusal = '';
  try {
    while (count < 400 && refusal === '')
      refusal = await node.kubectl(...create, `quota-${count++}`).then(() => '', String);
    if (!/database space exceeded|NOSPACE/.test(refusal))
      throw new Error(`the quota was not reached: ${refusal}`);
    await notHealthy(node, 15_000);
  } finally {
    await deleteLarge(node);
  }
  return `etcd's quota reached after ${count} objects of 500 kB`;
}

/** etcd refuses even a deletion until the node has freed some space. */
async function deleteLarge(node: ChaosNode): Promise<void> {
  const deleted = async (): Promise<void> => {
    const all = ['delete', 'configmap', '--all', '--namespace', 'kube-public', '--wait=false'];
    const { exitCode, all: output } = await node.command('kubectl', '--', ...all);
    if (exitCode !== 0) throw new Unhealthy(`the large objects cannot be deleted: ${String(output)}`);
  };
  await until(deleted, { timeoutMs: 60_000, attemptTimeoutMs: 60_000 }, new AbortController().signal);
}

/** Somebody else listens on a component's port between its stop and its start. */
async function stealPort({ node, random, causeEnded }: Scene): Promise<string> {
  const [name, port] = random.pick([
    ['kubelet', 10_250],
    ['kube-proxy', 10_256],
  ] as const);
  const supervisor = (await node.around())[0]!;
  await expectCode(node.command('stop', name), [exitCodes.ok]);
  const listen = `require('net').createServer().listen(${port},()=>console.log('listening'))`;
  const thief = execa(
    'nsenter',
    ['--net', '--target', String(supervisor.pid), process.execPath, '--eval', listen],
    {
      reject: false,
      buffer: false,
      timeout: 60_000,
    },
  );
  try {
    await Promise.race([once(thief.stdout, 'data'), thief]);
    const { exitCode, all } = await node.command('start', name, '--timeout', '3s');
    if (exitCode === 0) throw new Error(`${name} started although its port ${port} is taken`);
    if (!String(all).includes(String(port)))
      throw new Error(`${name}: the port is not named: ${String(all)}`);
    await pause(random.integer(0, 4000));
  } finally {
    thief.kill('SIGKILL');
    await thief;
    causeEnded();
  }
  const { exitCode, all } = await node.command('start', name);
  if (exitCode !== 0)
    throw new Error(`${name} does not start although its port is free again: ${String(all)}`);
  return `port ${port} of ${name} taken between stop and start`;
}

/** A program that is replaced by a broken one while it runs, then killed. */
async function breakProgram({ node, random }: Scene): Promise<string> {
  const [name, program] = random.pick([
    ['scheduler', 'kube-scheduler'],
    ['controller-manager', 'kube-controller-manager'],
    ['kube-proxy', 'kube-proxy'],
  ] as const);
  const replacement = join(node.binDir, program);
  const { [program]: original } = await testBinaries(program);
  if (!(await isThere(replacement))) {
    // From the next start on, the node runs this copy.
    await copyFile(original, replacement);
    await expectCode(node.command('down'), [exitCodes.ok]);
    await expectCode(node.start(), [exitCodes.ok]);
  }
  const broken = join(node.folder, 'broken');
  await writeFile(broken, '#!/bin/sh\necho broken on purpose >&2\nexit 7\n', { mode: 0o755 });
  await rename(broken, replacement);
  try {
    const running = (await node.components()).get(name);
    if (running !== undefined) await signalIfThere(running, 'SIGKILL');
    await pause(random.integer(500, 4000));
  } finally {
    await copyFile(original, broken);
    await chmod(broken, 0o755);
    await rename(broken, replacement);
  }
  return `${program} replaced by a broken one, and back`;
}

async function isThere(file: string): Promise<boolean> {
  return stat(file).then(
    () => true,
    () => false,
  );
}

/** The node's cgroup may use no more memory than it does: the kernel reclaims, or kills. */
async function pressMemory({ node, random }: Scene): Promise<string> {
  const memory = hierarchies().find(({ version, options }) => version === 2 || options.includes('memory'));
  if (memory === undefined) throw new Error('no memory controller');
  const group = join(memory.root, nodeCgroup(node.name));
  const [usage, limit, none] = (await isThere(join(group, 'memory.max')))
    ? ['memory.current', 'memory.max', 'max']
    : ['memory.usage_in_bytes', 'memory.limit_in_bytes', '-1'];
  const used = Number(await readFile(join(group, usage), 'utf8'));
  const allowed = Math.floor(used * (0.6 + random.next() * 0.3));
  const seconds = random.integer(2, 6);
  // The kernel refuses a limit that it cannot reach by reclaiming; that is pressure, too.
  const refused = await writeFile(join(group, limit), String(allowed)).then(() => '', errorCode);
  await pause(seconds * 1000);
  // The node may have ended, and its cgroup with it.
  await writeFile(join(group, limit), none).catch((error: unknown) => {
    if (errorCode(error) !== 'ENOENT') throw error;
  });
  const share = `${Math.round(allowed / 2 ** 20)} of ${Math.round(used / 2 ** 20)} MiB`;
  return refused === '' ? `${share} for ${seconds} s` : `${share}, refused with ${refused}`;
}

async function floodLogs({ node, random }: Scene): Promise<string> {
  const seconds = random.integer(2, 8);
  await writeFile(node.floodFile, '');
  try {
    await pause(seconds * 1000);
  } finally {
    await rm(node.floodFile);
  }
  return `logs at the disk's speed for ${seconds} s`;
}

/** 10,000 requests to the control socket, and 50 readers of events that read nothing. */
async function askSlowly({ node }: Scene): Promise<string> {
  const path = nodePaths(node.name, node.dataDir).controlSocket;
  const slow = Array.from({ length: 50 }, () => {
    const socket = connect(path).pause();
    socket.on('error', () => undefined);
    socket.write('GET /v1/events HTTP/1.1\r\nHost: node\r\n\r\n');
    return socket;
  });
  let answered = 0;
  const ask = async (): Promise<void> =>
    new Promise((resolve) => {
      const socket = connect(path);
      socket.on('error', () => undefined);
      socket.on('close', () => resolve());
      socket.setTimeout(10_000, () => socket.destroy());
      socket.once('data', () => {
        answered++;
        socket.destroy();
      });
      socket.write('GET /healthz HTTP/1.1\r\nHost: node\r\n\r\n');
    });
  const each = async (): Promise<void> => {
    for (let count = 0; count < 500; count++) await ask();
  };
  await Promise.all(Array.from({ length: 20 }, each));
  for (const socket of slow) socket.destroy();
  if (answered < 9900) throw new Error(`only ${answered} of 10,000 requests were answered`);
  return `10,000 requests, ${answered} answered, beside 50 slow readers`;
}

/** Several commands that start and stop the node at once. Each ends with a documented exit code other than that of a bug. */
async function stormOfCommands({ node, random }: Scene): Promise<string> {
  const commands = Array.from({ length: 5 }, () => random.pick(['up', 'down', 'restart'] as const));
  const results = await Promise.all(
    commands.map(async (command) => {
      await pause(random.integer(0, 2000));
      if (command === 'up') return node.start();
      return command === 'down' ? node.command('down') : node.command('restart', random.pick(nodeServices));
    }),
  );
  // As a shell counts: `down` ends a start that has nothing to stop yet by the signal itself.
  const codes = results.map(({ exitCode, signal }) =>
    signal === undefined ? exitCode : 128 + constants.signals[signal],
  );
  const known = new Set<number | undefined>([0, 2, 3, 4, 5, 128 + 15, 137]);
  const bad = codes.findIndex((code) => !known.has(code));
  if (bad !== -1) throw new Error(`${commands[bad]}: exit code ${codes[bad]}: ${String(results[bad]!.all)}`);
  return commands.map((command, index) => `${command} ${codes[index]}`).join(', ');
}

async function expectCode(
  running: Promise<{ exitCode?: number | undefined; all?: unknown }>,
  codes: readonly number[],
): Promise<void> {
  const { exitCode, all } = await running;
  if (exitCode === undefined || !codes.includes(exitCode))
    throw new Error(`exit code ${exitCode}: ${String(all)}`);
}

/** Steps the clock under a second node, in a machine of its own: no namespace has a time of day. */
async function stepClock({ random }: Scene): Promise<string> {
  const day = 86_400;
  const ahead = random.integer(60, 2 * day);
  // Never to a time before the node's certificates.
  const steps = [ahead, -random.integer(60, ahead), random.integer(60, 2 * day)];
  const script = packageFile('test/chaos/clock.sh');
  const { stdout, stderr } = await execa(script, steps.map(String), { reject: false });
  // The console of the machine ends its lines as a terminal does.
  const lines = stdout.split(/\r?\n/);
  const healthy = lines.filter((line) => /: 20 s later: ready\b/.test(line)).length;
  const all = `: ${steps.length} of ${steps.length} objects are there`;
  if (healthy !== steps.length || !lines.some((line) => line.endsWith(all)))
    throw new Error(`steps of ${steps.join(', ')} s: ${stderr}\n${stdout}`);
  return `steps of ${steps.join(', ')} s`;
}
