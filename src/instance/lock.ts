import { spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  closeSync,
  existsSync,
  fstatSync,
  ftruncateSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  rmdirSync,
  rmSync,
  statSync,
  writeSync,
} from 'node:fs';
import { hostname } from 'node:os';
import { dirname, join } from 'node:path';
import { Unhealthy } from '../../probes/probe.ts';
import type { Probe } from '../../probes/probe.ts';
import { DeadlineExceeded, until } from '../../probes/until.ts';
import { Failure, reasonOf } from '../lib/errors.ts';
import { hasErrorCode } from '../host/cgroup/cgroupFiles.ts';
import { notInstalled } from '../host/tool.ts';

/**
 * Takes the lock of a node, a file in its run folder `run`, and resolves with the descriptor that holds it; `undefined` when
 * someone else does. It is held as long as any process has the descriptor, so "locked" means "alive" even when the
 * process that took it is gone, and a machine that lost power leaves no stale lock.
 */
export async function lockNode(run: string): Promise<number | undefined> {
  const file = lockFile(run);
  for (;;) {
    const fd = openAnew(run);
    const taken = await flock(fd).catch((error: unknown) => {
      closeSync(fd);
      throw error;
    });
    if (taken && isStill(file, fd)) return fd;
    closeSync(fd);
    if (!taken) return undefined;
  }
}

/** Gives the lock of a node that does not come to be back, and with it the run folder unless something is in it. */
export function giveBack(run: string, lock: number): void {
  removeLock(run);
  closeSync(lock);
}

/** Removes the lock, and the run folder and that of all nodes unless something is in them. */
export function removeLock(run: string): void {
  rmSync(lockFile(run));
  for (const folder of [run, dirname(run)]) {
    if (readdirSync(folder).length === 0) rmdirSync(folder);
  }
}

/**
 * Takes the lock of a data folder, in which two nodes must not write at once, whatever their names and in whatever
 * containers they are. Resolves with the descriptor that holds it, as {@link lockNode} does.
 * @throws Failure `preflight` with who holds it, or why nothing can be written there.
 */
export async function lockData(data: string, name: string): Promise<number> {
  try {
    const lock = await lockNode(data);
    if (lock === undefined) throw inUse(data);
    ftruncateSync(lock);
    writeSync(lock, `${holder(name)}\n`);
    return lock;
  } catch (error) {
    throw unwritable(data, error);
  }
}

/** The lock of a data folder, not taken. @throws Failure `preflight` when nothing can be written there. */
export function openDataLock(data: string): number {
  try {
    return openAnew(data);
  } catch (error) {
    throw unwritable(data, error);
  }
}

function unwritable(data: string, error: unknown): unknown {
  if (!(error instanceof Error && 'syscall' in error)) return error;
  return new Failure('preflight', `the data folder ${data} cannot be written: ${reasonOf(error)}`, {
    hint: 'mend that, or choose another one: --data-dir',
    cause: error,
  });
}

/**
 * For who is about to remove what node `name` has left.
 * @throws Failure `preflight` when another node runs on the data folder.
 */
export async function assertNotOfAnother(data: string, name: string): Promise<void> {
  if (!existsSync(lockFile(data))) return;
  const isOurs: Probe = async () => {
    const lock = await lockNode(data);
    if (lock !== undefined) closeSync(lock);
    else if (holderOf(data) !== holder(name)) throw new Unhealthy('held by another');
  };
  // Who has just taken it writes its name there a moment later.
  const patience = { timeoutMs: 1000, periodMs: 20, maxPeriodMs: 20 };
  await until(isOurs, patience, new AbortController().signal).catch((cause: unknown) => {
    throw cause instanceof DeadlineExceeded ? inUse(data) : cause;
  });
}

/** What its holder writes into the lock of a data folder. In a container the host name is the container's id. */
export function holder(name: string): string {
  return `node ${name} on ${hostname()}`;
}

function holderOf(data: string): string {
  return readFileSync(lockFile(data), 'utf8').trim();
}

/** The Failure when another node has the lock of a data folder. */
export function inUse(data: string): Failure {
  return new Failure(
    'preflight',
    `the data folder ${data} is in use by ${holderOf(data) || 'another node'}`,
    {
      hint: 'take that one down, or choose another place: --data-dir',
    },
  );
}

/** The lock, to be read and added to, but not taken. Nothing when the node before is removing its folder right now. */
function openLock(run: string): number | undefined {
  try {
    mkdirSync(run, { recursive: true, mode: 0o700 });
    return openSync(lockFile(run), 'a+', 0o600);
  } catch (error) {
    if (hasErrorCode(error, 'ENOENT')) return undefined;
    throw error;
  }
}

/** {@link openLock} as soon as that is possible. */
export function openAnew(run: string): number {
  for (;;) {
    const lock = openLock(run);
    if (lock !== undefined) return lock;
  }
}

/** The path of the lock, which has to be the last thing removed from the run folder. */
export function lockFile(run: string): string {
  return join(run, 'lock');
}

/** The lock belongs to the open file, not to flock(1), which only asks for it (flock(2)). */
export async function flock(fd: number): Promise<boolean> {
  const child = spawn('flock', ['--nonblock', '3'], { stdio: ['ignore', 'ignore', 'inherit', fd] });
  const [code]: unknown[] = await once(child, 'exit').catch((error: unknown) => {
    throw notInstalled('flock', error);
  });
  if (code !== 0 && code !== 1) throw new Error(`flock ended with ${String(code)}`);
  return code === 0;
}

/** Whether the file is the open one. Not when the holder before has removed it between our open and our lock. */
export function isStill(file: string, fd: number): boolean {
  return statSync(file, { throwIfNoEntry: false })?.ino === fstatSync(fd).ino;
}
