import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Failure, reasonOf } from '../lib/errors.ts';
import { diskFailure } from './diskFailure.ts';
import type { FindResult } from './find/findBinaries.ts';
import { withLock } from './lock.ts';
import type { Repository } from './release/repository.ts';
import { runner } from './run.ts';
import type { Run } from './run.ts';
import type { Source } from './sources.ts';
import { runSteps, progressReporter, type OnProgress } from './steps.ts';

export interface InstallMissingOptions {
  readonly find: () => FindResult;
  readonly cacheDir: string;
  readonly kubernetes: string | undefined;
  /** Where official releases come from. Default: the publishers. */
  readonly repository?: Repository;
  readonly onProgress: OnProgress;
  readonly signal: AbortSignal;
}

/**
 * Installs what `find` does not find into the cache, one process at a time. `install.log` in the cache has the output of all
 * commands of the last installation.
 *
 * @throws Failure `install`, or the signal's reason when it aborts; no command is left running.
 */
export async function installMissing(source: Source, options: InstallMissingOptions): Promise<void> {
  const { find, cacheDir, kubernetes, repository, onProgress, signal } = options;
  // The process that held the lock before us may have installed them.
  const isNeeded = () => find().missing.length > 0;
  await installLocked({ cacheDir, onProgress, signal, isNeeded }, async (run) => {
    const { missing } = find();
    const order = { missing, cacheDir, kubernetes, run, signal, ...(repository && { repository }) };
    await runSteps(await source(order), onProgress, signal);
  });
}

interface LockedOptions extends Pick<InstallMissingOptions, 'cacheDir' | 'onProgress' | 'signal'> {
  /** Asked when the lock is ours. */
  readonly isNeeded?: () => boolean;
}

/** Does work that changes the cache, if it is needed. One process at a time; others wait. */
export async function installLocked<T>(
  options: LockedOptions & { readonly isNeeded?: undefined },
  work: (run: Run) => Promise<T>,
): Promise<T>;
export async function installLocked<T>(
  options: LockedOptions,
  work: (run: Run) => Promise<T>,
): Promise<T | undefined>;
export async function installLocked<T>(
  { cacheDir, onProgress, signal, isNeeded = () => true }: LockedOptions,
  work: (run: Run) => Promise<T>,
): Promise<T | undefined> {
  await mkdir(cacheDir, { recursive: true }).catch((cause: unknown) => {
    throw new Failure('install', `cannot use the cache: ${reasonOf(cause)}`, {
      hint: 'set XDG_CACHE_HOME to a folder that can be written',
      cause,
    });
  });
  const report = progressReporter('Waiting for another install', onProgress);
  let hasWaited = false;
  const onWait = (detail: string) => {
    hasWaited = true;
    report({ detail });
  };
  return await withLock(join(cacheDir, 'lock'), { signal, onWait }, async (lockFd) => {
    if (hasWaited) report({ done: true });
    if (!isNeeded()) return undefined;
    const logFile = join(cacheDir, 'install.log');
    await writeFile(logFile, '').catch((error: unknown) => {
      throw diskFailure(error, logFile) ?? error;
    });
    return await work(runner({ logFile, signal, lockFd }));
  });
}
