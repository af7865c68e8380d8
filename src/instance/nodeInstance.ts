import { closeSync } from 'node:fs';
import { isSameFile, lockFile, openLockFile, takeLock } from './lock.ts';
import { launcherOf } from './nodeLocks.ts';

/**
 * One instance of a node: from when its lock is taken until its last trace, the lock file, is removed. A later node of
 * the same name is another instance: whatever is done to this one does not harm it.
 */
export class NodeInstance implements Disposable {
  readonly #run: string;
  /** Kept open, so that no other file gets its inode number. */
  readonly #file: number;
  #lock: number | undefined;

  /** The node that currently has its lock in this run folder. Without one, an instance that has ended. */
  constructor(run: string) {
    this.#run = run;
    this.#file = openLockFile(run);
  }

  /** The process that is starting the node, until its supervisor can be asked to stop it. */
  get launcherPid(): number | undefined {
    return launcherOf(this.#file);
  }

  /** Whether it left something that nobody else is removing. From then on this process holds its lock. */
  get isOursToCleanUp(): boolean {
    return this.#lock !== undefined;
  }

  /** Whether no process of the node lives. */
  async hasEnded(): Promise<boolean> {
    if (this.#lock === undefined && isSameFile(lockFile(this.#run), this.#file)) {
      this.#lock = await takeLock(this.#run);
      return this.#lock !== undefined;
    }
    return true;
  }

  [Symbol.dispose](): void {
    for (const fd of [this.#file, this.#lock]) if (fd !== undefined) closeSync(fd);
  }
}
