import { closeSync } from 'node:fs';
import { isStill, lockFile, lockNode, openAnew } from './lock.ts';
import { starterOf } from './start.ts';

/**
 * One life of a node: from when its lock is taken until its last trace, the file of the lock, is removed. The next node of the
 * same name is another life: whoever means this one does it no harm.
 */
export class NodeInstance implements Disposable {
  readonly #run: string;
  /** As long as it is open no other file gets its number. */
  readonly #file: number;
  #lock: number | undefined;

  /** Of the node whose lock is in this run folder now; without one, a life that has ended. */
  constructor(run: string) {
    this.#run = run;
    this.#file = openAnew(run);
  }

  /** The process that is starting the node, until there is a supervisor that can be asked to end it. */
  get launcherPid(): number | undefined {
    return starterOf(this.#file);
  }

  /** Whether it has left something that nobody but us is removing: its lock is held from then on. */
  get isOursToCleanUp(): boolean {
    return this.#lock !== undefined;
  }

  /** Whether nobody of it lives. */
  async hasEnded(): Promise<boolean> {
    if (this.#lock === undefined && isStill(lockFile(this.#run), this.#file)) {
      this.#lock = await lockNode(this.#run);
      return this.#lock !== undefined;
    }
    return true;
  }

  [Symbol.dispose](): void {
    for (const fd of [this.#file, this.#lock]) if (fd !== undefined) closeSync(fd);
  }
}
