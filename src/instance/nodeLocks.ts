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
import { truncate } from 'node:fs/promises';
import { join } from 'node:path';
import { alreadyRunning } from '../control/node.ts';
import { undoMkdir } from '../host/undoMkdir.ts';
import { isSameFile, lockFile, removeRunFolder, takeDataLock, takeLock } from './lock.ts';

/** The first line of a node's lock until its supervisor has recorded itself there. */
const startingLine = /^starting (\S+) (\d+)\n/;

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
   * Takes the lock of the node's name. Does nothing when this instance has it already.
   * @throws Failure `preflight` when the node runs or starts already.
   */
  async acquireNode(name: string, run: string): Promise<void> {
    if (this.#node !== undefined) return;
    const isNew = !existsSync(lockFile(run));
    const fd = await takeLock(run).catch((error: unknown) => {
      // Without flock(1) nobody can hold it.
      if (isNew) removeRunFolder(run);
      throw error;
    });
    if (fd === undefined) throw alreadyRunning(name);
    ftruncateSync(fd);
    writeSync(fd, `starting ${pidNamespace()} ${process.pid}\n`);
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

/**
 * Records this process as the supervisor in its node's lock file. When it dies, bin/init finds the node by the first
 * line, with the PID namespace and the pid; the second line is the data folder.
 */
export function recordSupervisor(run: string, data: string): void {
  // Synchronous: the first component waits for it, and a thread would take 3 ms.
  writeFileSync(lockFile(run), `${pidNamespace()} ${process.pid}\n${data}\n`);
}

/** Removes that record: everything this process started has been stopped. */
export async function forgetSupervisor(run: string): Promise<void> {
  await truncate(lockFile(run));
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

function pidNamespace(): string {
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
