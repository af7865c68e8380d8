import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Failure, reasonOf } from '../lib/errors.ts';
import type { FindResult } from './find/findBinaries.ts';
import { withLock } from './lock.ts';
import { runner } from './run.ts';
import type { Source } from './sources.ts';
import { runSteps, progressReporter, type OnProgress } from './steps.ts';

export interface InstallMissingOptions {
  readonly find: () => FindResult;
  readonly cacheDir: string;
  readonly kubernetes: string | undefined;
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
  const { find, cacheDir, kubernetes, onProgress, signal } = options;
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
  await withLock(join(cacheDir, 'lock'), { signal, onWait }, async (lockFd) => {
    if (hasWaited) report({ done: true });
    // The process that held the lock may have installed them.
    const { missing } = find();
    if (missing.length === 0) return;
    const logFile = join(cacheDir, 'install.log');
    await writeFile(logFile, '');
    const run = runner({ logFile, signal, lockFd });
    const steps = await source({ missing, cacheDir, kubernetes, run });
    await runSteps(steps, onProgress, signal);
  });
}
