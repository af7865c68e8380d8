import type { NodeConfig } from '../config/schema/node.ts';
import { install } from '../install/install.ts';
import type { Binaries } from '../install/install.ts';
import { cacheDir } from '../lib/paths.ts';
import type { Progress } from '../observe/terminal/view.ts';
import type { OutputMode, Reporter } from '../observe/terminal/reporter.ts';
import type { UpOptions } from './options.ts';

/**
 * The binaries of a node: found, or installed with progress on the terminal.
 * @param signal interrupts the installation; nothing half-written is left, and the signal's reason is thrown
 * @throws Failure `install`, or `usage` for a mistake in the options
 */
export async function resolveBinaries(
  { output, source, install: mayInstall }: Pick<UpOptions, 'output' | 'source' | 'install'>,
  { binDirs, kubernetes, mirror }: Pick<NodeConfig, 'binDirs' | 'kubernetes' | 'mirror'>,
  signal: AbortSignal = new AbortController().signal,
): Promise<Binaries> {
  return await withProgress(output, signal, async (onProgress) =>
    install({
      binDirs,
      cacheDir: cacheDir(),
      source,
      noInstall: !mayInstall,
      ...(typeof kubernetes === 'string' ? { kubernetes } : {}),
      ...(mirror === undefined ? {} : { mirror }),
      onProgress,
      signal,
    }),
  );
}

/** Shows the progress of an installation on the terminal. */
export async function withProgress<T>(
  output: OutputMode,
  signal: AbortSignal,
  work: (onProgress: (progress: Progress) => void) => Promise<T>,
): Promise<T> {
  // Loaded when there is something to report.
  let reporter: Promise<Reporter> | undefined;
  const onProgress = (progress: Progress): void => {
    reporter ??= import('../observe/terminal/reporter.ts').then(async (module) =>
      module.createReporter({ output, stages: [] }),
    );
    void reporter.then(({ progress: show }) => show(progress));
  };
  try {
    return await work(onProgress);
  } catch (error) {
    signal.throwIfAborted();
    throw error;
  } finally {
    await (await reporter)?.end();
  }
}
