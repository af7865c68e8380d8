import type { NodeConfig } from '../config/schema/node.ts';
import { Failure } from '../lib/errors.ts';
import { install } from '../install/install.ts';
import type { Binaries } from '../install/install.ts';
import { cacheDir } from '../lib/paths.ts';
import type { Progress } from '../observe/terminal/progress.ts';
import type { Reporter } from '../observe/terminal/reporter.ts';
import type { UpOptions } from './options.ts';

/**
 * The binaries of a node: found, or installed with progress on the terminal. Interrupted, it stops cleanly.
 * @throws Failure `install`, `usage` for a mistake in what was asked for.
 */
export async function resolveBinaries(
  { output, source, install: mayInstall }: Pick<UpOptions, 'output' | 'source' | 'install'>,
  { binDirs, kubernetes }: Pick<NodeConfig, 'binDirs' | 'kubernetes'>,
): Promise<Binaries> {
  // Made, and loaded, when there is something to tell.
  let reporter: Promise<Reporter> | undefined;
  const onProgress = (progress: Progress): void => {
    reporter ??= import('../observe/terminal/reporter.ts').then(async (module) =>
      module.createReporter({ output, stages: [] }),
    );
    void reporter.then(({ progress: show }) => show(progress));
  };
  const interrupt = new AbortController();
  const onSignal = (signal: NodeJS.Signals): void =>
    interrupt.abort(new Failure('install', `interrupted by ${signal}`));
  process.on('SIGINT', onSignal).on('SIGTERM', onSignal);
  try {
    return await install({
      binDirs,
      cacheDir: cacheDir(),
      source,
      noInstall: !mayInstall,
      ...(typeof kubernetes === 'string' ? { kubernetes } : {}),
      onProgress,
      signal: interrupt.signal,
    });
  } finally {
    process.off('SIGINT', onSignal).off('SIGTERM', onSignal);
    await (await reporter)?.end();
  }
}
