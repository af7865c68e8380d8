import { closeSync, existsSync, rmSync } from 'node:fs';
import type { Traces } from './clear.ts';
import { giveBack, isStill, lockData, lockFile } from './lock.ts';
import { lockToStart } from './start.ts';
import { unmaking } from './unmaking.ts';

/** The locks of a node that is being started, and of its data, each by the descriptor that holds it. */
export interface Claim {
  readonly lock: number;
  readonly dataLock: number;
  /** Closes our descriptors of them: another process has them too, or nobody shall. */
  readonly close: () => void;
  /** Nothing comes of the node: gives them back, and with them the folders that were made for them. */
  readonly withdraw: () => void;
}

/** @throws Failure `preflight` when the node runs already, or another one on its data. */
export async function claim({ name, run, data }: Traces): Promise<Claim> {
  const lock = await lockToStart(name, run);
  const isNew = !existsSync(lockFile(data));
  const unmake = unmaking(data);
  try {
    const dataLock = await lockData(data, name);
    const close = (): void => {
      // Whoever has the lock of the node next finds that of the data free.
      for (const fd of [dataLock, lock]) closeSync(fd);
    };
    const withdraw = (): void => {
      if (isNew && isStill(lockFile(data), dataLock)) rmSync(lockFile(data));
      unmake();
      closeSync(dataLock);
      // What has outlived the process inside has removed it as a rule, and by now it may be the next node's.
      if (isStill(lockFile(run), lock)) giveBack(run, lock);
      else closeSync(lock);
    };
    return { lock, dataLock, close, withdraw };
  } catch (error) {
    unmake();
    giveBack(run, lock);
    throw error;
  }
}
