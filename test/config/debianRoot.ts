import { access, mkdir, rename, rm } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import { privateApt } from '../../src/install/debian/apt.ts';
import { debianArch } from '../../src/install/find/cache.ts';
import { runner } from '../../src/install/run.ts';
import { cacheDir } from '../../src/lib/paths.ts';

/** A folder with Debian packages and all they depend on, and the environment in which their programs run from there. */
export interface DebianRoot {
  readonly root: string;
  /** The folders of their programs, as a PATH. */
  readonly path: string;
  readonly env: Readonly<Record<string, string>>;
}

/** Downloads and unpacks the packages into the cache, the first time. Nothing is installed. */
export async function debianRoot(packages: readonly string[]): Promise<DebianRoot> {
  const dir = join(cacheDir(), 'test', `${packages.join('+')}-${debianArch}`);
  const root = join(dir, 'root');
  const isThere = await access(root).then(
    () => true,
    () => false,
  );
  if (!isThere) {
    const half = join(dir, 'half');
    await mkdir(half, { recursive: true });
    const run = runner({ logFile: join(dir, 'log'), signal: new AbortController().signal });
    await privateApt(join(dir, 'apt'), run).unpack(packages, half, () => undefined);
    await rm(join(dir, 'apt'), { recursive: true });
    await rename(half, root);
  }
  const triplet = process.arch === 'x64' ? 'x86_64-linux-gnu' : 'aarch64-linux-gnu';
  const libraries = ['usr/lib', 'lib'].map((lib) => join(root, lib, triplet));
  const path = ['usr/bin', 'bin'].map((bin) => join(root, bin)).join(delimiter);
  return { root, path, env: { LD_LIBRARY_PATH: libraries.join(':') } };
}
