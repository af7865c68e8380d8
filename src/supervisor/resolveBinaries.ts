import type { NodeConfig } from '../config/schema/node.ts';
import { coreDnsBinary, egressBinaries } from '../install/find/binaries.ts';
import { recordUse } from '../install/cacheUse.ts';
import { cacheDirs } from '../install/find/cacheLayout.ts';
import { findBinaries } from '../install/find/findBinaries.ts';
import { install } from '../install/install.ts';
import type { Binaries } from '../install/install.ts';
import { versionOfData } from '../kubernetes/dataVersions.ts';
import type { DataOwner } from '../kubernetes/dataVersions.ts';
import { nodeCommand } from '../lib/commandLine.ts';
import { Failure, reasonOf } from '../lib/errors.ts';
import { cacheDir, nodePaths } from '../lib/paths.ts';
import type { Progress } from '../observe/terminal/view.ts';
import type { OutputMode, Reporter } from '../observe/terminal/reporter.ts';
import type { UpOptions } from './options.ts';

interface Resolution extends Pick<UpOptions, 'output' | 'source' | 'install'> {
  /** Without a requested version, take the one of the node's data. Default: true. */
  readonly forData?: boolean;
}

/** What is to be found or installed. */
interface Wanted extends Pick<NodeConfig, 'name' | 'dataDir' | 'binDirs' | 'kubernetes' | 'mirror' | 'dns'> {
  /**
   * Whether pasta is installed as well: `always`, even if nothing else is missing; `withOthers`, so that no start has to wait for
   * it or fails for it; `never`. Only with `required` a failure is one of this function.
   */
  readonly pasta?: 'required' | 'always' | 'withOthers' | 'never';
}

/**
 * The binaries of a node: found, or installed with progress on the terminal.
 * @param signal interrupts the installation; nothing half-written is left, and the signal's reason is thrown
 * @throws Failure `install`, or `usage` for a mistake in the options
 */
export async function resolveBinaries(
  { output, source, install: mayInstall, forData = true }: Resolution,
  node: Wanted,
  signal: AbortSignal = new AbortController().signal,
): Promise<Binaries> {
  const { binDirs, kubernetes, mirror, dns, pasta = 'never' } = node;
  const preferred = forData && kubernetes === undefined ? versionOfData(node, cacheDir()) : undefined;
  return await withProgress(output, signal, async (onProgress, print) => {
    let isInstalling = false;
    const options = {
      binDirs,
      cacheDir: cacheDir(),
      noInstall: !mayInstall,
      onProgress: (progress: Progress) => {
        isInstalling = true;
        onProgress(progress);
      },
      signal,
    };
    const binaries = await install({
      ...options,
      source,
      extras: dns.server === 'auto' || dns.server === 'coredns' ? [coreDnsBinary] : [],
      needsExtras: dns.server === 'coredns' || dns.corefile !== undefined,
      ...(typeof kubernetes === 'string' ? { kubernetes } : {}),
      preferred,
      ...(mirror === undefined ? {} : { mirror }),
    }).catch((error: unknown) => {
      throw preferred === undefined ? error : explained(error, node, preferred);
    });
    const isWanted = pasta === 'required' || pasta === 'always' || (pasta === 'withOthers' && isInstalling);
    if (!isWanted || findPasta(binDirs) !== undefined) return binaries;
    await install({ ...options, source: 'debian', binaries: egressBinaries }).catch((error: unknown) => {
      signal.throwIfAborted();
      if (pasta === 'required') throw error;
      print(`pasta is not installed, so a node in its own namespaces has no egress: ${reasonOf(error)}`);
    });
    return binaries;
  });
}

/** Records in the cache that this node uses it. Call it outside of a sandbox, which may have another folder in the cache's place. */
export function recordUseBy(
  { name, dataDir }: DataOwner,
  { ephemeral }: Pick<UpOptions, 'ephemeral'>,
  { versions }: Binaries,
): void {
  if (ephemeral !== true) recordUse(cacheDir(), { name, dataDir: nodePaths(name, dataDir).data, versions });
}

/** The error with the reason why this version was looked for. */
function explained(error: unknown, node: DataOwner, preferred: string): unknown {
  if (!(error instanceof Failure) || error.code !== 'install') return error;
  const why = `the data of node ${node.name} is of Kubernetes ${preferred}, so that version is started`;
  const upgrade = `another one with ${nodeCommand('up', node, '--kubernetes', 'VERSION')}`;
  const hint = [error.hint, `${why}; ${upgrade}`].filter(Boolean).join('; ');
  return new Failure(error.code, error.message, { hint, cause: error });
}

/** Shows the progress of an installation on the terminal. */
export async function withProgress<T>(
  output: OutputMode,
  signal: AbortSignal,
  work: (onProgress: (progress: Progress) => void, print: (line: string) => void) => Promise<T>,
): Promise<T> {
  // Loaded when there is something to report.
  let reporter: Promise<Reporter> | undefined;
  const onProgress = (progress: Progress): void => {
    reporter ??= createReporter(output);
    void reporter.then(({ progress: show }) => show(progress));
  };
  const print = (line: string): void => {
    reporter ??= createReporter(output);
    void reporter.then(({ print: show }) => show(line));
  };
  try {
    return await work(onProgress, print);
  } catch (error) {
    signal.throwIfAborted();
    throw error;
  } finally {
    await (await reporter)?.end();
  }
}

/** The path of pasta, where there is one. */
export function findPasta(binDirs: readonly string[]): string | undefined {
  const options = { binDirs, cacheDirs: cacheDirs(cacheDir()), binaries: egressBinaries };
  return findBinaries(options).found.get('pasta')?.path;
}

async function createReporter(output: OutputMode): Promise<Reporter> {
  return (await import('../observe/terminal/reporter.ts')).createReporter({ output, stages: [] });
}
