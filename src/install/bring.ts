import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Failure, reasonOf } from '../lib/errors.ts';
import type { FindResult } from './find/find.ts';
import { withLock } from './lock.ts';
import { runner } from './run.ts';
import type { Source } from './sources.ts';
import { runSteps, progressReporter, type OnProgress } from './stages.ts';

export interface InstallMissingOptions {
  readonly look: () => FindResult;
  readonly cacheDir: string;
  readonly kubernetes: string | undefined;
  readonly onProgress: OnProgress;
  readonly signal: AbortSignal;
}

/**
 * Brings what `look` does not find into the cache, one process at a time. `install.log` there has
 * all output of the commands of the last time.
 *
 * @throws Failure `install`, or the signal's reason when it aborts; no command is left running.
 */
export async function installMissing(source: Source, order: InstallMissingOptions): Promise<void> {
  const { look, cacheDir, kubernetes, onProgress, signal } = order;
  await mkdir(cacheDir, { recursive: true }).catch((cause: unknown) => {
    throw new Failure('install', `cannot use the cache: ${reasonOf(cause)}`, {
      hint: 'set XDG_CACHE_HOME to a folder that can be written',
      cause,
    });
  });
  const tell = progressReporter('Waiting for another install', onProgress);
  let waited = false;
  const onWait = (detail: string) => {
    waited = true;
    tell({ detail });
  };
  await withLock(join(cacheDir, 'lock'), { signal, onWait }, async (lockFd) => {
    if (waited) tell({ done: true });
    // Someone else may have brought it while we waited.
    const { missing } = look();
    if (missing.length === 0) return;
    const logFile = join(cacheDir, 'install.log');
    await writeFile(logFile, '');
    const run = runner({ logFile, signal, lockFd });
    const stages = await source({ missing, cacheDir, kubernetes, run });
    await runSteps(stages, onProgress, signal);
  });
}
