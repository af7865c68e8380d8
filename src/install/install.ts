import { join } from 'node:path';
import { findBinaries, refuseMissing, searchPath, systemPath, type From } from './find/find.ts';
import { nodeBinaries, type BinarySpec } from './find/needs.ts';
import { checkVersions, isKubectlUnfit } from './find/skew.ts';
import { cacheDirs } from './find/cache.ts';
import type { SourceName } from './sources.ts';
import type { OnProgress } from './stages.ts';
import { versionsOf } from './find/versions.ts';

export type NodeBinary = (typeof nodeBinaries)[number];

export interface InstallOptions<N extends BinarySpec = NodeBinary> {
  /** Looked in before anything else. */
  readonly binDirs: readonly string[];
  /** See cacheDir() of paths.ts. */
  readonly cacheDir: string;
  /** Default: the machine's PATH and the folders of system programs. */
  readonly path?: string;
  /** Where missing binaries come from. Default `auto`. */
  readonly source?: SourceName;
  /** Only this version of Kubernetes will do, as in "1.20.2". */
  readonly kubernetes?: string;
  /** Fail when something is missing instead of bringing it. */
  readonly noInstall?: boolean;
  /** Default: what a node needs. */
  readonly needs?: readonly N[];
  readonly onProgress?: OnProgress;
  readonly signal?: AbortSignal;
}

/** Binaries that are there and run on this machine. */
export interface Binaries<Name extends string = NodeBinary['name']> {
  /** The absolute path of each; `cni` is the folder with the plugins. */
  readonly files: Readonly<Record<Name, string>>;
  readonly versions: Readonly<Record<Name, string>>;
  readonly from: Readonly<Record<Name, From>>;
  /** A PATH for what calls others by name, as kubelet calls iptables and containerd its shim. */
  readonly searchPath: string;
}

/**
 * Finds every binary a node needs and brings what is missing into the cache; nothing of the system changes. Quick when
 * nothing is missing. Safe at any time beside another one (the second waits and uses what the first made), and
 * after a kill at any moment.
 *
 * @throws Failure `install` or `usage`, or the signal's reason when it aborts.
 */
export async function install<const N extends BinarySpec = NodeBinary>(
  options: InstallOptions<N>,
): Promise<Binaries<N['name']>> {
  const { cacheDir, source = 'auto', noInstall = false, kubernetes } = options;
  const { onProgress = () => undefined, signal = new AbortController().signal } = options;
  const needs: readonly BinarySpec[] = options.needs ?? nodeBinaries;
  const path = options.path ?? systemPath();
  const notFromPath = new Set<string>();
  const places = { binDirs: options.binDirs, path, cacheDirs: cacheDirs(cacheDir) };
  const look = () => findBinaries({ ...places, needs, notFromPath });
  const complete = async () => {
    const first = look();
    if (first.missing.length === 0) return first;
    if (!noInstall) {
      const [{ installMissing }, { sources }] = await Promise.all([
        import('./bring.ts'),
        import('./sources.ts'),
      ]);
      await installMissing(sources[source], { look, cacheDir, kubernetes, onProgress, signal });
    }
    const second = look();
    refuseMissing(second.missing);
    return second;
  };

  let result = await complete();
  const ask = () => versionsOf(needs, result, join(cacheDir, 'versions.json'));
  let versions = await ask();
  if (isKubectlUnfit(versions, result) && !noInstall) {
    notFromPath.add('kubectl');
    result = await complete();
    versions = await ask();
  }
  checkVersions(versions, result, kubernetes);
  signal.throwIfAborted();

  const record = <V>(value: (name: string) => V | undefined) =>
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- `complete` leaves no need without its entry
    Object.fromEntries(needs.map(({ name }) => [name, value(name)])) as Record<N['name'], V>;
  return {
    files: record((name) => result.found.get(name)?.path),
    versions: record((name) => versions.get(name)),
    from: record((name) => result.found.get(name)?.from),
    searchPath: searchPath(places),
  };
}
