import { join } from 'node:path';
import { nodeBinaries, type BinarySpec } from './find/binaries.ts';
import { cacheDirs } from './find/cacheLayout.ts';
import {
  assertCanExecute,
  findBinaries,
  refuseMissing,
  searchPath,
  systemPath,
  type Origin,
} from './find/findBinaries.ts';
import { checkVersions, isKubectlUnfit } from './find/versionSkew.ts';
import { versionsOf } from './find/versions.ts';
import type { SourceName } from './sources.ts';
import type { OnProgress } from './steps.ts';

export type NodeBinary = (typeof nodeBinaries)[number];

export interface InstallOptions<N extends BinarySpec = NodeBinary> {
  /** Searched before anything else. */
  readonly binDirs: readonly string[];
  /** See cacheDir() of paths.ts. */
  readonly cacheDir: string;
  /** Default: the machine's PATH and the folders of system programs. */
  readonly path?: string;
  /** Where missing binaries come from. Default `auto`. */
  readonly source?: SourceName;
  /** Require this version of Kubernetes: "1.20.2". */
  readonly kubernetes?: string;
  /** Fail when something is missing instead of installing it. */
  readonly noInstall?: boolean;
  /** Default: everything a node needs. */
  readonly binaries?: readonly N[];
  readonly onProgress?: OnProgress;
  readonly signal?: AbortSignal;
}

/** Binaries that exist and run on this machine. */
export interface Binaries<Name extends string = NodeBinary['name']> {
  /** The absolute path of each; `cni` is the folder with the plugins. */
  readonly files: Readonly<Record<Name, string>>;
  readonly versions: Readonly<Record<Name, string>>;
  readonly from: Readonly<Record<Name, Origin>>;
  /** A PATH for programs that call others by name, as kubelet calls iptables and containerd its shim. */
  readonly searchPath: string;
}

/**
 * Finds every binary a node needs and installs what is missing into the cache; nothing of the system changes. Fast when
 * nothing is missing. Safe to run concurrently (the second process waits and uses what the first installed), and safe to kill
 * at any moment.
 *
 * @throws Failure `install` or `usage`, or the signal's reason when it aborts.
 */
export async function install<const N extends BinarySpec = NodeBinary>(
  options: InstallOptions<N>,
): Promise<Binaries<N['name']>> {
  const { cacheDir, source = 'auto', noInstall = false, kubernetes } = options;
  const { onProgress = () => undefined, signal = new AbortController().signal } = options;
  const binaries: readonly BinarySpec[] = options.binaries ?? nodeBinaries;
  const path = options.path ?? systemPath();
  const search = { binDirs: options.binDirs, path, cacheDirs: cacheDirs(cacheDir), binaries };
  const versionCache = join(cacheDir, 'versions.json');
  const notFromPath = new Set<string>();
  const find = () => findBinaries({ ...search, notFromPath });

  let result = find();
  // Before anything is installed: a kubectl that does not fit is built together with everything else that is missing.
  if (!noInstall && (await isKubectlUnfit(binaries, result, versionCache))) {
    notFromPath.add('kubectl');
    result = find();
  }
  if (result.missing.length > 0 && !noInstall) {
    assertCanExecute(cacheDir);
    const [{ installMissing }, { sources }] = await Promise.all([
      import('./installMissing.ts'),
      import('./sources.ts'),
    ]);
    await installMissing(sources[source], { find, cacheDir, kubernetes, onProgress, signal });
    result = find();
  }
  refuseMissing(result.missing);
  const versions = await versionsOf(binaries, result, versionCache);
  checkVersions(versions, result, kubernetes);
  signal.throwIfAborted();

  const record = <V>(value: (name: string) => V | undefined) =>
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- `refuseMissing` leaves no binary without its entry
    Object.fromEntries(binaries.map(({ name }) => [name, value(name)])) as Record<N['name'], V>;
  return {
    files: record((name) => result.found.get(name)?.path),
    versions: record((name) => versions.get(name)),
    from: record((name) => result.found.get(name)?.from),
    searchPath: searchPath(search),
  };
}
