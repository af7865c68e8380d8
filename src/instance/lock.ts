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
import { open } from 'node:fs/promises';
import { hostname } from 'node:os';
import { dirname, join } from 'node:path';
import { Unhealthy } from '../../probes/probe.ts';
import type { Probe } from '../../probes/probe.ts';
import { DeadlineExceeded, until } from '../../probes/until.ts';
import { toFailure } from '../host/checkResult.ts';
import { checkDataFolder } from '../host/preflight.ts';
import { hasErrorCode, isSystemError } from '../lib/systemError.ts';
import { Failure, reasonOf } from '../lib/errors.ts';
import { flock } from '../lib/flock.ts';
import { nodeName, nodePaths } from '../lib/paths.ts';
import { isOrphaned } from './runningComponents.ts';

/** The path of the lock in a run or data folder. In a run folder it has to be the last file removed. */
export function lockFile(folder: string): string {
  return join(folder, 'lock');
}

/**
 * Takes the lock of a run or data folder; resolves with the descriptor that holds it, or with `undefined` when another
 * process does. The lock is held as long as any process has the descriptor open, so "locked" means "alive" even when the
 * process that took it is gone, and a power failure leaves no stale lock.
 */
export async function takeLock(folder: string): Promise<number | undefined> {
  const file = lockFile(folder);
  for (;;) {
    const fd = openLockFile(folder);
    const taken = await flock(fd).catch((error: unknown) => {
      closeSync(fd);
      throw error;
    });
    if (taken && isSameFile(file, fd)) return fd;
    closeSync(fd);
    if (!taken) return undefined;
  }
}

/** Opens the lock file of a folder for reading and appending; makes both when missing. Does not take the lock. */
export function openLockFile(folder: string): number {
  for (;;) {
    try {
      mkdirSync(folder, { recursive: true, mode: 0o700 });
      return openSync(lockFile(folder), 'a+', 0o600);
    } catch (error) {
      // Try again: the clean-up of the previous node has just removed the folder.
      if (!hasErrorCode(error, 'ENOENT')) throw error;
    }
  }
}

/** The content of the lock of a node that is ending. */
export const endingText = 'ending\n';

/** Records that the node is ending: nobody but its clean-up is at work. Does nothing without a lock file. */
export async function recordEnd(run: string): Promise<void> {
  const file = await open(lockFile(run), 'r+').catch((error: unknown) => {
    if (!hasErrorCode(error, 'ENOENT')) throw error;
  });
  if (file === undefined) return;
  try {
    await file.truncate();
    await file.write(endingText);
  } finally {
    await file.close();
  }
}

/** Whether `fd` is open on the file now at this path. False when the previous holder removed it between open and lock. */
export function isSameFile(file: string, fd: number): boolean {
  return statSync(file, { throwIfNoEntry: false })?.ino === fstatSync(fd).ino;
}

/** Removes the lock of a run folder, then that folder and its parent unless something is in them. */
export function removeRunFolder(run: string): void {
  rmSync(lockFile(run), { force: true });
  for (const folder of [run, dirname(run)]) {
    if (readdirSync(folder).length === 0) rmdirSync(folder);
  }
}

/**
 * Takes the lock of a data folder for node `name`: no two nodes write to one data folder, whatever their names and
 * containers. Resolves with the descriptor that holds it.
 * @throws Failure `preflight` when another node holds it, or when the folder cannot be written.
 */
export async function takeDataLock(data: string, name: string): Promise<number> {
  const folder = checkDataFolder(data);
  if (folder.level === 'problem') throw toFailure(folder);
  try {
    const lock = await takeLock(data);
    if (lock === undefined) throw inUse(data);
    if (await isOfOrphan(data, name)) {
      closeSync(lock);
      throw inUse(data);
    }
    ftruncateSync(lock);
    writeSync(lock, `${dataLockHolder(name)}\n`);
    return lock;
  } catch (error) {
    if (!isSystemError(error)) throw error;
    throw new Failure('preflight', `the data folder ${data} cannot be written: ${reasonOf(error)}`, {
      hint: 'fix that, or choose another one: --data-dir',
      cause: error,
    });
  }
}

/**
 * Call this before removing what node `name` has left in its data folder.
 * @throws Failure `preflight` when another node runs on the data folder.
 */
export async function assertNotInUseByOther(data: string, name: string): Promise<void> {
  if (!existsSync(lockFile(data))) return;
  if (await isOfOrphan(data, name)) throw inUse(data);
  const isOurs: Probe = async () => {
    if ((await isLocked(data)) && holderOf(data) !== dataLockHolder(name))
      throw new Unhealthy('held by another node');
  };
  // A node that has just taken the lock writes its name a moment later.
  const patience = { timeoutMs: 1000, periodMs: 20, maxPeriodMs: 20 };
  await until(isOurs, patience, new AbortController().signal).catch((cause: unknown) => {
    throw cause instanceof DeadlineExceeded ? inUse(data) : cause;
  });
}

/** Whether a process holds the lock of a folder. Also where nothing can be written: a disk turns read-only under a running node. */
async function isLocked(folder: string): Promise<boolean> {
  const fd = openSync(lockFile(folder), 'r');
  try {
    // Shared: on NFS an exclusive lock needs a file that is open for writing.
    return !(await flock(fd, 'shared'));
  } finally {
    closeSync(fd);
  }
}

/** The content of a data folder's lock. In a container the host name is the container's id. */
function dataLockHolder(name: string): string {
  return `node ${name} on ${hostname()}`;
}

/** Whether the folder is of another node whose components outlive their supervisor, which had the lock. */
async function isOfOrphan(data: string, name: string): Promise<boolean> {
  const holder = holderOf(data);
  const [, other = ''] = /^node (\S+) on /.exec(holder) ?? [];
  if (!nodeName.test(other) || other === name || holder !== dataLockHolder(other)) return false;
  const { run } = nodePaths(other);
  if (existsSync(lockFile(run)) && (await isLocked(run))) return false;
  return isOrphaned(other);
}

function holderOf(data: string): string {
  return readFileSync(lockFile(data), 'utf8').trim();
}

function inUse(data: string): Failure {
  return new Failure(
    'preflight',
    `the data folder ${data} is in use by ${holderOf(data) || 'another node'}`,
    { hint: 'take that node down, or choose another place: --data-dir' },
  );
}
