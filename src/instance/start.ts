import {
  existsSync,
  fstatSync,
  ftruncateSync,
  readdirSync,
  readlinkSync,
  readSync,
  statSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { nodeCommand } from '../lib/commandLine.ts';
import { Failure } from '../lib/errors.ts';
import { giveBack, lockFile, lockNode, openAnew, removeLock } from './lock.ts';

/** What stands in the lock of a node until its supervisor has written itself there (see owner.ts): who is starting it. */
const begun = /^starting (\S+) (\d+)\n/;

/** Of the node that this process is about to start. */
let early: { readonly run: string; readonly lock: number } | undefined;

/**
 * Takes the lock of a node ahead of its start, so that from now on `down` finds who is starting it. Does nothing when this
 * process has it. It goes to {@link lockToStart}, or back with {@link withdrawStart}.
 * @throws Failure `preflight` when the node runs already.
 */
export async function beginStart(name: string, run: string): Promise<void> {
  if (early?.run !== run) early = { run, lock: await take(name, run) };
}

/**
 * The descriptor that holds the lock of a node that is started now: see {@link lockNode}.
 * @throws Failure `preflight` when the node runs already.
 */
export async function lockToStart(name: string, run: string): Promise<number> {
  return early?.run === run ? openToStart(run) : take(name, run);
}

/** The lock of a node that is started now, to be taken: had already when {@link beginStart} has been called. */
export function openToStart(run: string): number {
  if (early?.run !== run) return openAnew(run);
  const { lock } = early;
  early = undefined;
  return lock;
}

/** Gives back what {@link beginStart} has taken, and with it the run folder, when nothing came of it. */
export function withdrawStart(): void {
  if (early !== undefined) giveBack(early.run, early.lock);
  early = undefined;
}

/** Who is starting the node whose lock `lock` is open on; undefined when its supervisor lives already, or nobody does. */
export function starterOf(lock: number): number | undefined {
  const line = Buffer.alloc(100);
  const [, namespace, pid] =
    begun.exec(line.toString('utf8', 0, readSync(lock, line, { position: 0 }))) ?? [];
  if (pid === undefined || namespace !== pidNamespace()) return undefined;
  // The line may be older than whoever holds the lock now, and the pid somebody else's.
  return hasOpen(pid, lock) ? Number(pid) : undefined;
}

async function take(name: string, run: string): Promise<number> {
  const isNew = !existsSync(lockFile(run));
  const lock = await lockNode(run).catch((error: unknown) => {
    // Without flock(1) nobody can hold it.
    if (isNew) removeLock(run);
    throw error;
  });
  if (lock === undefined) throw isRunning(name);
  ftruncateSync(lock);
  writeSync(lock, `${starter()}\n`);
  return lock;
}

/** What stands in the lock of a node that this process is starting. */
export function starter(): string {
  return `starting ${pidNamespace()} ${process.pid}`;
}

/** The Failure when somebody else has the lock of a node. */
export function isRunning(name: string): Failure {
  return new Failure('preflight', `node ${name} is already running`, { hint: nodeCommand('down', { name }) });
}

function pidNamespace(): string {
  return readlinkSync('/proc/self/ns/pid');
}

function hasOpen(pid: string, file: number): boolean {
  const { dev, ino } = fstatSync(file);
  try {
    const folder = `/proc/${pid}/fd`;
    return readdirSync(folder).some((fd) => {
      const found = statSync(join(folder, fd), { throwIfNoEntry: false });
      return found?.dev === dev && found.ino === ino;
    });
  } catch {
    // It has ended.
    return false;
  }
}
