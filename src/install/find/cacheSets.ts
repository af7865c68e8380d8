import { readdirSync } from 'node:fs';
import { defaultRelease, isPaired } from '../release/pairings.ts';
import { releaseArch } from '../release/assets.ts';
import { releaseDirs } from '../release/release.ts';
import { cacheDirs, debianArch, debianKubernetes, kubernetesDir, releasesDir } from './cacheLayout.ts';
import { isOf } from './versionSkew.ts';

/** Binaries in the cache that fit together: the official releases for one version of Kubernetes, or what Debian has. */
export interface CacheSet {
  readonly from: 'release' | 'debian';
  /** The version of Kubernetes, whether it is there or not. */
  readonly kubernetes: string;
  readonly cacheDirs: readonly string[];
  readonly releaseDirs?: readonly string[];
}

export interface SetRequest {
  readonly source: 'auto' | 'release' | 'debian';
  /** 1.36 or 1.36.2. */
  readonly kubernetes: string | undefined;
}

/** The official releases for this version. @throws Failure `install` when it cannot be paired */
export function releaseSet(cacheDir: string, kubernetes: string): CacheSet {
  const dirs = releaseDirs(cacheDir, kubernetes, releaseArch());
  return { from: 'release', kubernetes, cacheDirs: debianDirs(cacheDir), releaseDirs: dirs };
}

/** Debian's packages, with the Kubernetes built on this machine if that is of the requested version. */
export function debianSet(cacheDir: string, request: string | undefined): CacheSet {
  const isWanted = request === undefined || isOf(debianKubernetes, request);
  const dirs = isWanted ? cacheDirs(cacheDir) : debianDirs(cacheDir);
  return { from: 'debian', kubernetes: debianKubernetes, cacheDirs: dirs };
}

function debianDirs(cacheDir: string): readonly string[] {
  const built = kubernetesDir(cacheDir);
  return cacheDirs(cacheDir).filter((dir) => dir !== built);
}

/**
 * The sets that a request accepts, the preferred one first: the requested version; without one the default release if it is there,
 * then the newest Kubernetes in the cache.
 * @throws Failure `install` when a release is required that cannot be paired, or this machine has none
 */
export function cacheSets(cacheDir: string, { source, kubernetes }: SetRequest): readonly CacheSet[] {
  const debian = debianSet(cacheDir, kubernetes);
  if (source === 'debian') return [debian];
  const cached = cachedReleases(cacheDir).filter(
    (version) => kubernetes === undefined || isOf(version, kubernetes),
  );
  // Binaries of that version may come from a folder of the user, and only what goes with them from the cache.
  const exact = kubernetes !== undefined && /^1\.\d+\.\d/.test(kubernetes) && isPaired(kubernetes);
  const versions = exact && canRelease() ? [...new Set([kubernetes, ...cached])] : cached;
  const releases = versions.map((version) => releaseSet(cacheDir, version));
  if (source === 'release') {
    const fallback = releaseSet(cacheDir, kubernetes ?? defaultRelease);
    const preferred = kubernetes === undefined ? [fallback] : releases;
    return preferred.length > 0 ? preferred : [fallback];
  }
  const sets = [...releases, debian];
  if (kubernetes !== undefined) return sets;
  const rank = (set: CacheSet): number => (set.kubernetes === defaultRelease ? 0 : 1);
  return sets.sort((a, b) => rank(a) - rank(b) || compareVersions(b.kubernetes, a.kubernetes));
}

/** The versions of Kubernetes of which official releases are in the cache, newest first. One may be incomplete. */
export function cachedReleases(cacheDir: string): string[] {
  return entries(releasesDir(cacheDir))
    .flatMap((name) => {
      const [, version] = new RegExp(`^kubernetes-(.+)-${debianArch}$`).exec(name) ?? [];
      return version !== undefined && isPaired(version) ? [version] : [];
    })
    .sort((a, b) => compareVersions(b, a));
}

function entries(dir: string): string[] {
  try {
    return readdirSync(dir);
  } catch {
    return [];
  }
}

function canRelease(): boolean {
  return ['x64', 'arm64'].includes(process.arch);
}

/** Negative when `a` is older: numbers by value, and a pre-release before its release. */
function compareVersions(a: string, b: string): number {
  const [left, right] = [a, b].map((version) => {
    const [numbers = '', pre] = version.split('-');
    return numbers
      .split('.')
      .map(Number)
      .concat(pre === undefined ? 1 : 0);
  });
  for (const [i, value] of (left ?? []).entries()) {
    const difference = value - (right?.[i] ?? 0);
    if (difference !== 0) return difference;
  }
  return a.localeCompare(b, 'en', { numeric: true });
}
