import { join } from 'node:path';
import { nodeBinaries, type BinarySpec } from './find/binaries.ts';
import { cacheSets, debianSet, releaseSet } from './find/cacheSets.ts';
import type { CacheSet } from './find/cacheSets.ts';
import {
  assertCanExecute,
  findBinaries,
  refuseMissing,
  searchPath,
  systemPath,
} from './find/findBinaries.ts';
import type { FindResult, Origin } from './find/findBinaries.ts';
import { checkVersions, unfitFromPath } from './find/versionSkew.ts';
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
  /** Require this version of Kubernetes: "1.20.2", "1.20", "stable" or "latest". */
  readonly kubernetes?: string;
  /** Without a required version, and without a kube-apiserver of the user or the machine: use this version, as {@link kubernetes}. */
  readonly preferred?: string | undefined;
  /** The base of a server with the publishers' files, instead of the publishers. */
  readonly mirror?: string;
  /** Fail when something is missing instead of installing it. */
  readonly noInstall?: boolean;
  /** Default: everything a node needs. */
  readonly binaries?: readonly N[];
  /** Installed together with official releases, which have them. A node does without. */
  readonly extras?: readonly BinarySpec[];
  /** Install missing extras even if nothing else is missing, provided that the rest is of an official release. */
  readonly needsExtras?: boolean;
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
  const { cacheDir, noInstall = false, signal = new AbortController().signal } = options;
  const binaries: readonly BinarySpec[] = options.binaries ?? nodeBinaries;
  const versionCache = join(cacheDir, 'versions.json');
  const search = new Search({ ...options, binaries, versionCache });
  const kubernetes = (await requestedVersion(options, signal)) ?? (await search.preferredVersion());
  let result = await search.find(kubernetes);
  if (!noInstall && (result.missing.length > 0 || search.lacksExtras(result.set)))
    result = await add(search, result, options, kubernetes, signal);
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
    searchPath: searchPath({ ...search.places, ...result.set }),
  };
}

/** Binaries of one set of the cache, with those of the user and of the machine before them. */
type SetResult = FindResult & { readonly set: CacheSet };

type SearchOptions = InstallOptions<BinarySpec> & {
  readonly binaries: readonly BinarySpec[];
  readonly versionCache: string;
};

/** Looks for the binaries of a node. Changes nothing but the cache of versions. */
class Search {
  readonly #options: SearchOptions;
  readonly #notFromPath = new Set<string>();

  constructor(options: SearchOptions) {
    this.#options = options;
  }

  /** What is searched besides the cache. */
  get places() {
    const { binDirs, path = systemPath(), binaries } = this.#options;
    return { binDirs, path, binaries };
  }

  /** Searches the sets of the cache for the first one that is complete; otherwise, what the preferred one has. */
  async find(kubernetes: string | undefined): Promise<SetResult> {
    const { cacheDir, source = 'auto' } = this.#options;
    const request = kubernetes ?? (await this.givenVersion());
    const sets = cacheSets(cacheDir, { source, kubernetes: request });
    const result = this.firstComplete(sets);
    return (await this.excludeUnfit(result)) ? this.firstComplete(sets) : result;
  }

  firstComplete(sets: readonly CacheSet[]): SetResult {
    let preferred: SetResult | undefined;
    for (const set of sets) {
      const result = this.in(set);
      if (result.missing.length === 0) return result;
      preferred ??= result;
    }
    return preferred!;
  }

  in(set: CacheSet): SetResult {
    return { set, ...findBinaries({ ...this.places, ...set, notFromPath: this.#notFromPath }) };
  }

  /** The same with the extras, if the set has them. */
  withExtras(set: CacheSet): FindResult {
    const { binaries, extras = [] } = this.#options;
    const all = set.from === 'release' ? [...binaries, ...extras] : binaries;
    return findBinaries({ ...this.places, ...set, binaries: all, notFromPath: this.#notFromPath });
  }

  /** Whether extras have to be installed into a set that has all else. */
  lacksExtras(set: CacheSet): boolean {
    if (this.#options.needsExtras !== true || set.from !== 'release') return false;
    return this.withExtras(set).missing.length > 0;
  }

  /**
   * Leaves out binaries of PATH that do not fit. Before anything is installed, so that what replaces them is installed
   * together with everything else that is missing. Resolves with whether there are any.
   */
  async excludeUnfit(result: SetResult): Promise<boolean> {
    const { binaries, versionCache, noInstall = false } = this.#options;
    if (noInstall) return false;
    const names = await unfitFromPath(binaries, result, versionCache, result.set.kubernetes);
    for (const name of names) this.#notFromPath.add(name);
    return names.length > 0;
  }

  /** What is preferred without a request, unless a kube-apiserver of the user or the machine decides. */
  async preferredVersion(): Promise<string | undefined> {
    const { preferred } = this.#options;
    return preferred === undefined || (await this.givenVersion()) !== undefined ? undefined : preferred;
  }

  /** The version of a kube-apiserver of the user or the machine: the others have to fit it. */
  async givenVersion(): Promise<string | undefined> {
    const { binaries, versionCache } = this.#options;
    const api = binaries.filter(({ name }) => name === 'kube-apiserver');
    const result = findBinaries({ ...this.places, binaries: api, cacheDirs: [] });
    if (result.found.size === 0) return undefined;
    return (await versionsOf(api, result, versionCache)).get('kube-apiserver');
  }
}

/** Installs what is missing from the source that is chosen or has it, and searches again. */
async function add(
  search: Search,
  { missing, set }: SetResult,
  { cacheDir, source = 'auto', mirror, onProgress = () => undefined }: InstallOptions<BinarySpec>,
  kubernetes: string | undefined,
  signal: AbortSignal,
): Promise<SetResult> {
  assertCanExecute(cacheDir);
  const [{ installMissing }, { chooseSource, sources }, { publisherClient }, { remoteRepository }] =
    await Promise.all([
      import('./installMissing.ts'),
      import('./sources.ts'),
      import('./release/client.ts'),
      import('./release/repository.ts'),
    ]);
  const client = publisherClient(mirror);
  // Only extras are missing: they are for the version that is there.
  const forSet = missing.length === 0 ? set.kubernetes : undefined;
  const request = kubernetes ?? forSet ?? (await search.givenVersion());
  const wanted = forSet === undefined ? source : 'release';
  const chosen = await chooseSource(wanted, { missing, kubernetes: request, signal, client });
  if (chosen.reason !== undefined) {
    onProgress({ label: chosen.reason, step: 1, steps: 1, elapsedMs: 0, done: true });
  }
  const target =
    chosen.source === 'release'
      ? releaseSet(cacheDir, chosen.kubernetes ?? set.kubernetes)
      : debianSet(cacheDir, request);
  await search.excludeUnfit(search.in(target));
  const order = { cacheDir, kubernetes: chosen.kubernetes, onProgress, signal };
  const repository = remoteRepository(client);
  const find = (): FindResult => search.withExtras(target);
  await installMissing(sources[chosen.source], { find, repository, ...order });
  return search.in(target);
}

/**
 * The version that is asked for: what `stable` and `latest` are is up to the publisher. When it does not answer, the newest
 * version in the cache has to do.
 */
async function requestedVersion(
  { kubernetes, cacheDir, mirror, onProgress = () => undefined }: InstallOptions<BinarySpec>,
  signal: AbortSignal,
): Promise<string | undefined> {
  if (kubernetes !== 'stable' && kubernetes !== 'latest') return kubernetes?.replace(/^v/, '');
  const { resolveMarker } = await import('./sources.ts');
  const { publisherClient } = await import('./release/client.ts');
  const { version, reason } = await resolveMarker(kubernetes, publisherClient(mirror), cacheDir, signal);
  onProgress({ label: reason, step: 1, steps: 1, elapsedMs: 0, done: true });
  return version;
}
