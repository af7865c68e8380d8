import { closeSync, existsSync, rmSync } from 'node:fs';
import type { NodeDirs } from './cleanUp.ts';
import { flock, giveBack, isStill, lockData, lockFile, openDataLock } from './lock.ts';
import { lockToStart, openToStart } from './start.ts';
import { undoMkdir } from '../host/undoMkdir.ts';

/** The locks of a node that is being started, and of its data, each by an open descriptor. */
export interface Claim {
  readonly lock: number;
  readonly dataLock: number;
  /** Closes our descriptors of them: another process has them too, or nobody shall. */
  readonly close: () => void;
}

/** A claim that may come to nothing. */
export interface OpenClaim extends Claim {
  /** Gives back what is had of it, and with it the folders that were made for it. */
  readonly withdraw: () => Promise<void>;
}

/** Takes both. @throws Failure `preflight` when the node runs already, or another one on its data. */
export async function claim({ name, run, data }: NodeDirs): Promise<Claim> {
  const lock = await lockToStart(name, run);
  const unmake = undoMkdir(data);
  try {
    return claimOf(lock, await lockData(data, name));
  } catch (error) {
    unmake();
    giveBack(run, lock);
    throw error;
  }
}

/** Both opened, for another process to take. @throws Failure `preflight` when nothing can be written there. */
export function openClaim({ run, data }: NodeDirs): OpenClaim {
  const isNew = { lock: !existsSync(lockFile(run)), dataLock: !existsSync(lockFile(data)) };
  const unmake = undoMkdir(data);
  let dataLock: number;
  try {
    dataLock = openDataLock(data);
  } catch (error) {
    unmake();
    throw error;
  }
  const leaveData = (isToGo: boolean): void => {
    if (isToGo) rmSync(lockFile(data));
    unmake();
    closeSync(dataLock);
  };
  let lock: number;
  try {
    lock = openToStart(run);
  } catch (error) {
    // Where no node can write into its run folder nobody has taken this meanwhile.
    leaveData(isNew.dataLock);
    throw error;
  }
  const withdraw = async (): Promise<void> => {
    leaveData(isNew.dataLock && (await isOurs(lockFile(data), dataLock, true)));
    // What has outlived the process inside has removed it as a rule, and by now it may be the next node's.
    if (await isOurs(lockFile(run), lock, isNew.lock)) giveBack(run, lock);
    else closeSync(lock);
  };
  return { ...claimOf(lock, dataLock), withdraw };
}

function claimOf(lock: number, dataLock: number): Claim {
  const close = (): void => {
    // Whoever has the lock of the node next finds that of the data free.
    for (const fd of [dataLock, lock]) closeSync(fd);
  };
  return { lock, dataLock, close };
}

/** Whether the lock is had, now if not before. Without flock(1) nobody can have one: then that file is ours which we have made. */
async function isOurs(file: string, fd: number, isNew: boolean): Promise<boolean> {
  return isStill(file, fd) && (await flock(fd).catch(() => isNew)) && isStill(file, fd);
}
