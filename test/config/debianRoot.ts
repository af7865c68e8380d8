import { access, mkdir, rename, rm } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import { PrivateApt } from '../../src/install/debian/apt.ts';
import { debianArch } from '../../src/install/find/cacheLayout.ts';
import { runner } from '../../src/install/run.ts';
import { cacheDir } from '../../src/lib/paths.ts';

/** A directory with Debian packages and their dependencies, and the environment to run their programs from there. */
export interface DebianRoot {
  readonly root: string;
  /** The directories of their programs, as a PATH. */
  readonly path: string;
  readonly env: Readonly<Record<string, string>>;
}

/** Unpacks the packages into the cache, after a download the first time. Installs nothing on the host. */
export async function debianRoot(packages: readonly string[]): Promise<DebianRoot> {
  const dir = join(cacheDir(), 'test', `${packages.join('+')}-${debianArch}`);
  const root = join(dir, 'root');
  const isCached = await access(root).then(
    () => true,
    () => false,
  );
  if (!isCached) {
    const partial = join(dir, 'partial');
    await mkdir(partial, { recursive: true });
    const run = runner({ logFile: join(dir, 'log'), signal: new AbortController().signal });
    await new PrivateApt(join(dir, 'apt'), run).unpack(packages, partial, () => undefined);
    await rm(join(dir, 'apt'), { recursive: true });
    await rename(partial, root);
  }
  const triplet = process.arch === 'x64' ? 'x86_64-linux-gnu' : 'aarch64-linux-gnu';
  const libraries = ['usr/lib', 'lib'].map((lib) => join(root, lib, triplet));
  const path = ['usr/bin', 'bin'].map((bin) => join(root, bin)).join(delimiter);
  return { root, path, env: { LD_LIBRARY_PATH: libraries.join(':') } };
}
