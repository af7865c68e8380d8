import {
  closeSync,
  existsSync,
  fstatSync,
  ftruncateSync,
  readdirSync,
  readlinkSync,
  readSync,
  rmSync,
  statSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { Unhealthy } from '../../probes/probe.ts';
import type { Probe } from '../../probes/probe.ts';
import { DeadlineExceeded, until } from '../../probes/until.ts';
import { alreadyRunning } from '../control/node.ts';
import { undoMkdir } from '../host/undoMkdir.ts';
import { nodeCommand } from '../lib/commandLine.ts';
import { Failure } from '../lib/errors.ts';
import { startingLine, stateOfHeld } from './lifeState.ts';
import {
  endingText,
  isSameFile,
  lockFile,
  recordEnd,
  removeRunFolder,
  takeDataLock,
  takeLock,
} from './lock.ts';
import { assertNotRunByUnit } from './unit.ts';

/** A lock that is held, and how to take back what was made for it. */
interface Held {
  readonly folder: string;
  readonly fd: number;
  readonly undo: () => void;
}

/**
 * The two locks of a node that is being started: that of its name, in the run folder, then that of its data folder. From
 * the first on, `down` finds the process that is starting the node.
 */
export class NodeLocks {
  #node: Held | undefined;
  #data: Held | undefined;

  /**
   * Takes the lock of the node's name. Waits for a node that is being taken down. Does nothing when this instance has it already.
   * @throws Failure `preflight` when the node runs or starts already, does not end, or is run by its unit; the reason of `signal`, which ends the wait
   */
  async acquireNode(
    name: string,
    run: string,
    signal: AbortSignal = new AbortController().signal,
  ): Promise<void> {
    await this.#acquire({ name, run }, `starting ${pidNamespace()} ${process.pid}\n`, signal);
  }

  /** The same to remove what a node has left: whoever comes next waits for that, and ends nobody's start. */
  async acquireToCleanUp(name: string, run: string): Promise<void> {
    await this.#acquire({ name, run }, endingText, new AbortController().signal);
  }

  async #acquire(
    { name, run }: { readonly name: string; readonly run: string },
    content: string,
    signal: AbortSignal,
  ): Promise<void> {
    if (this.#node !== undefined) return;
    await assertNotRunByUnit(name);
    const isNew = !existsSync(lockFile(run));
    const first = await takeLock(run).catch((error: unknown) => {
      // Without flock(1) nobody can hold it.
      if (isNew) removeRunFolder(run);
      throw error;
    });
    const fd = first ?? (await takeLockAfterEnd(name, run, signal));
    ftruncateSync(fd);
    writeSync(fd, content);
    this.#node = { folder: run, fd, undo: () => removeRunFolder(run) };
  }

  /**
   * Takes the lock of the data folder, which it makes when missing.
   * @throws Failure `preflight` when another node runs on that folder, or when it cannot be written.
   */
  async acquireData(name: string, data: string): Promise<void> {
    const isNew = !existsSync(lockFile(data));
    const removeFolders = undoMkdir(data);
    try {
      const fd = await takeDataLock(data, name);
      const undo = (): void => {
        if (isNew) rmSync(lockFile(data), { force: true });
        removeFolders();
      };
      this.#data = { folder: data, fd, undo };
    } catch (error) {
      removeFolders();
      throw error;
    }
  }

  /** The descriptors that hold the two locks, for a child to inherit. */
  get descriptors(): { readonly node: number; readonly data: number } {
    if (this.#node === undefined || this.#data === undefined) throw new Error('the locks are not held');
    return { node: this.#node.fd, data: this.#data.fd };
  }

  /** Closes this process's descriptors and leaves the files: another process holds the locks, or the node is cleaned up. */
  handOver(): void {
    for (const held of [this.#data, this.#node]) if (held !== undefined) closeSync(held.fd);
    this.#data = undefined;
    this.#node = undefined;
  }

  /** Takes back everything when nothing came of the start. Does nothing after {@link handOver}. */
  release(): void {
    for (const held of [this.#data, this.#node]) {
      // The clean-up of a sandbox may have removed the file already: then another one there belongs to another node.
      if (held !== undefined && isSameFile(lockFile(held.folder), held.fd)) held.undo();
    }
    this.handOver();
  }
}

/** How long a node may take to end: what its supervisor has left has 10 s to stop (stopOrphans.ts). In ms. */
const endsWithinMs = 20_000;

/** How long a process takes from having a lock to writing what it does with it, at most, in ms. */
const changesWithinMs = 1000;

/** Takes the lock of a node's name. @throws Failure `preflight` when the node is not about to end */
async function takeLockAfterEnd(name: string, run: string, signal: AbortSignal): Promise<number> {
  let fd: number | undefined;
  const startedAt = performance.now();
  const isFree: Probe = async () => {
    fd = await takeLock(run);
    const state = fd === undefined ? await stateOfHeld(name) : 'free';
    const isChanging = state === undefined && performance.now() - startedAt < changesWithinMs;
    if (isChanging || state === 'ending') throw new Unhealthy('a process of it lives');
  };
  const patience = { timeoutMs: endsWithinMs, attemptTimeoutMs: Number.POSITIVE_INFINITY };
  await until(isFree, patience, signal).catch((cause: unknown) => {
    if (!(cause instanceof DeadlineExceeded)) throw cause;
    throw new Failure('preflight', `node ${name} is still being taken down: ${cause.lastReason}`, {
      hint: nodeCommand('down', { name }),
      cause,
    });
  });
  if (fd === undefined) throw alreadyRunning(name);
  return fd;
}

/**
 * Records this process as the supervisor in its node's lock file. When it dies, bin/init finds the node by the first
 * line, with the PID namespace and the pid; the second line is the data folder.
 */
export function recordSupervisor(run: string, data: string): void {
  // Synchronous: the first component waits for it, and a thread would take 3 ms.
  writeFileSync(lockFile(run), `${pidNamespace()} ${process.pid}\n${data}\n`);
}

/** Replaces that record: everything this process started has been stopped. */
export async function forgetSupervisor(run: string): Promise<void> {
  await recordEnd(run);
}

/**
 * The process that is starting the node whose lock is open as `fd`. `undefined` when its supervisor runs already, or when
 * nobody starts it.
 */
export function launcherOf(fd: number): number | undefined {
  const line = Buffer.alloc(100);
  const text = line.toString('utf8', 0, readSync(fd, line, { position: 0 }));
  const [, namespace, pid] = startingLine.exec(text) ?? [];
  if (pid === undefined || namespace !== pidNamespace()) return undefined;
  // The line may be older than the current holder, and the pid may have been reused.
  return hasOpen(pid, fd) ? Number(pid) : undefined;
}

/** The PID namespace of this process, as in /proc/PID/ns/pid. */
export function pidNamespace(): string {
  return readlinkSync('/proc/self/ns/pid');
}

function hasOpen(pid: string, fd: number): boolean {
  const { dev, ino } = fstatSync(fd);
  try {
    const folder = `/proc/${pid}/fd`;
    return readdirSync(folder).some((entry) => {
      const found = statSync(join(folder, entry), { throwIfNoEntry: false });
      return found?.dev === dev && found.ino === ino;
    });
  } catch {
    // It has ended.
    return false;
  }
}
