import { readdir, lstat, rm } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { nodeBinaries } from './find/binaries.ts';
import { debianArch, releasesDir } from './find/cacheLayout.ts';
import { installLocked } from './installMissing.ts';
import { releaseArch } from './release/assets.ts';
import { isPaired } from './release/pairings.ts';
import { releaseDirs } from './release/release.ts';

/** Something in the cache that can be removed as a whole. */
export interface CacheEntry {
  /** Its path in the cache: `release/etcd-3.6.14-amd64`. */
  readonly name: string;
  readonly path: string;
  /** On disk. */
  readonly bytes: number;
  /** The names of the nodes that use it. */
  readonly usedBy: readonly string[];
  /** Whether removing it costs nothing but a download or a build: not the tools that every node on this machine uses. */
  readonly isPrunable: boolean;
}

/** The versions of a node's binaries, by the name of the binary. */
export interface NodeVersions {
  readonly name: string;
  readonly versions: Readonly<Record<string, string>>;
}

/** What is in the cache, with the nodes that use it. */
export async function cacheEntries(cacheDir: string, nodes: readonly NodeVersions[]): Promise<CacheEntry[]> {
  const children = async (folder: string): Promise<string[]> =>
    (await readdir(join(cacheDir, folder)).catch(() => []))
      .filter((name) => !name.startsWith('.'))
      .sort()
      .map((name) => join(folder, name));
  const sets = [
    ...(await children('release')),
    ...(await children('kubernetes')),
    ...(await children('initial-objects')),
  ];
  const others = [...(await children('debian')), ...(await children('images')), 'apt', 'build'];
  const entries = await Promise.all(
    [...sets, ...others].map(async (name) => {
      const path = join(cacheDir, name);
      const bytes = await diskUsage(path);
      const users = new Set(nodes.filter(({ versions }) => uses(versions, name)).map((node) => node.name));
      const isPrunable = sets.includes(name) || name === 'apt' || name === 'build';
      return { name, path, bytes, usedBy: [...users], isPrunable };
    }),
  );
  return entries.filter(({ bytes }) => bytes > 0);
}

/** Whether a node with these versions uses this folder of the cache. */
function uses(versions: NodeVersions['versions'], name: string): boolean {
  const folder = basename(name);
  const kubernetes = versions['kube-apiserver'] ?? '';
  if (folder === `v${kubernetes}.json`) return true;
  // A build of the user's own may print another version than that of its folder.
  const isPart =
    isPaired(kubernetes) &&
    ['amd64', 'arm64'].includes(debianArch) &&
    releaseDirs('', kubernetes, releaseArch()).some((dir) => basename(dir) === folder);
  return (
    isPart ||
    nodeBinaries.some((binary) => {
      const version = versions[binary.name];
      if (version === undefined || !('release' in binary)) return false;
      return [`${binary.release}-${version}-${debianArch}`, `v${version}-${debianArch}`].includes(folder);
    })
  );
}

/**
 * Removes what no node uses, and resolves with it. Waits for an installation that is under way.
 * @throws Failure `install` when the cache cannot be written
 */
export async function pruneCache(cacheDir: string, nodes: readonly NodeVersions[]): Promise<CacheEntry[]> {
  const signal = new AbortController().signal;
  return await installLocked({ cacheDir, signal, onProgress: () => undefined }, async () => {
    const entries = await cacheEntries(cacheDir, nodes);
    const unused = entries.filter(({ isPrunable, usedBy }) => isPrunable && usedBy.length === 0);
    // What an install that was killed has left, besides.
    const left = ['.partial', '.bundle'].map((name) => join(releasesDir(cacheDir), name));
    for (const path of [...unused.map((each) => each.path), ...left]) {
      await rm(path, { recursive: true, force: true, maxRetries: 10 });
    }
    return unused;
  });
}

/** The bytes that a file or folder takes on disk; 0 when it is not there. */
async function diskUsage(path: string): Promise<number> {
  const entry = await lstat(path).catch(() => undefined);
  if (entry === undefined) return 0;
  if (!entry.isDirectory()) return entry.blocks * 512;
  const names = await readdir(path).catch(() => []);
  const sizes = await Promise.all(names.map(async (name) => diskUsage(join(path, name))));
  return sizes.reduce((sum, size) => sum + size, 0);
}
