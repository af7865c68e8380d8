import { access, mkdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { debianArch, privateApt } from '../../src/install/apt.ts';
import { runner } from '../../src/install/run.ts';
import { cacheDir } from '../../src/paths.ts';

/** What starts Debian's own supervisord, with the Python it was made for, and nothing of the machine's. */
export interface Supervisor {
  readonly file: string;
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
}

/** Downloads and unpacks it into the cache, the first time. */
export async function supervisor(): Promise<Supervisor> {
  const dir = join(cacheDir(), `supervisor-${debianArch}`);
  const root = join(dir, 'root');
  const isThere = await access(root).then(
    () => true,
    () => false,
  );
  if (!isThere) {
    const half = join(dir, 'half');
    await mkdir(half, { recursive: true });
    const run = runner({ logFile: join(dir, 'log'), signal: new AbortController().signal });
    await privateApt(join(dir, 'apt'), run).unpack(['supervisor'], half, () => undefined);
    await rm(join(dir, 'apt'), { recursive: true });
    await rename(half, root);
  }
  return {
    file: join(root, 'usr/bin/python3'),
    args: ['-m', 'supervisor.supervisord'],
    env: {
      PYTHONHOME: join(root, 'usr'),
      PYTHONPATH: join(root, 'usr/lib/python3/dist-packages'),
      LD_LIBRARY_PATH: ['usr/lib', 'lib']
        .map((lib) => join(root, lib, `${process.arch === 'x64' ? 'x86_64' : 'aarch64'}-linux-gnu`))
        .join(':'),
    },
  };
}
