import type { Stats } from 'node:fs';
import { lstat, mkdir, readdir, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Failure } from '../../lib/errors.ts';
import type { Apt } from './apt.ts';
import type { DebianTree } from '../find/cache.ts';
import type { BinarySpec } from '../find/needs.ts';
import type { Report } from '../stages.ts';

/** The two programs behind each iptables command; which one works depends on the kernel. */
export const backEnds = ['nft', 'legacy'] as const;

/**
 * Unpacks the packages that bring these needs and makes the entries of `tree.bin`. An entry is made last and at once,
 * so what has one is whole; what was cut short is done again.
 */
export async function addPackages(
  apt: Apt,
  tree: DebianTree,
  needs: readonly BinarySpec[],
  report: Report,
): Promise<void> {
  const packages = [...new Set(needs.flatMap((need) => need.debian ?? []))].sort();
  await apt.unpack(packages, tree.root, report);
  await mkdir(tree.bin, { recursive: true });
  const libraries = await librariesOf(tree.root);
  for (const need of needs) {
    if (need.debian === 'iptables') {
      for (const backEnd of backEnds) await addEntry(tree, need, libraries, backEnd);
    } else if (need.files) {
      await place(tree.bin, need.name, (half) => symlink('../root/usr/lib/cni', half));
    } else {
      await addEntry(tree, need, libraries);
    }
  }
}

async function addEntry(
  tree: DebianTree,
  { name, debian }: BinarySpec,
  libraries: readonly string[],
  backEnd?: string,
): Promise<void> {
  const program = backEnd === undefined ? name : `xtables-${backEnd}-multi`;
  const path = await firstThere(
    ['usr/sbin', 'usr/bin', 'sbin', 'bin'].map((dir) => join(dir, program)),
    tree.root,
    // A link may be absolute, to a file of this machine.
    (file) => file.isFile(),
  );
  if (path === undefined) {
    throw new Failure('install', `Debian's package ${debian} brings no ${program} here`, {
      hint: `apt-get install ${debian}, and try again`,
    });
  }
  if (backEnd === undefined && !(await needsOneOf(libraries, tree.root, join(tree.root, path)))) {
    return await place(tree.bin, name, (half) => symlink(join('../root', path), half));
  }
  const entry = backEnd === undefined ? name : `${name}.${backEnd}`;
  const words = backEnd === undefined ? '' : ` ${name}`;
  await place(tree.bin, entry, (half) => writeFile(half, script(libraries, path, words), { mode: 0o755 }));
}

/** Finds the tree beside itself, so that the cache can be moved. */
function script(libraries: readonly string[], path: string, words: string): string {
  const dirs = libraries.map((dir) => `$root/${dir}`);
  return `#!/bin/sh
root="\${0%/*}/../root"
export LD_LIBRARY_PATH="${dirs.join(':')}" XTABLES_LIBDIR="$root/${libraries[0] ?? 'usr/lib'}/xtables"
exec "$root/${path}"${words} "$@"
`;
}

/** The library folders of the tree, relative to it: usr/lib/x86_64-linux-gnu and the like. */
async function librariesOf(root: string): Promise<string[]> {
  const dirs = await Promise.all(
    ['usr/lib', 'lib'].map(async (lib) => {
      const names = await readdir(join(root, lib)).catch(() => []);
      return names.filter((name) => name.includes('-linux-gnu')).map((name) => join(lib, name));
    }),
  );
  return dirs.flat();
}

/** Whether the program loads a library that lies in the tree. A static one has nothing to load. */
async function needsOneOf(libraries: readonly string[], root: string, file: string): Promise<boolean> {
  const { execa } = await import('execa');
  const { stdout } = await execa('ldd', [file], { reject: false });
  const wanted = [...stdout.matchAll(/^\s*(\S+\.so\S*)/gm)].map((match) => match[1] ?? '');
  return (
    (await firstThere(
      libraries.flatMap((dir) => wanted.map((name) => join(dir, name))),
      root,
    )) !== undefined
  );
}

async function firstThere(
  paths: readonly string[],
  root: string,
  fits: (file: Stats) => boolean = () => true,
): Promise<string | undefined> {
  for (const path of paths) {
    const file = await lstat(join(root, path)).catch(() => undefined);
    if (file && fits(file)) return path;
  }
  return undefined;
}

export async function isThere(path: string): Promise<boolean> {
  return (await lstat(path).catch(() => undefined)) !== undefined;
}

/** Makes or replaces an entry in one step. */
export async function place(dir: string, name: string, make: (half: string) => Promise<void>): Promise<void> {
  const half = join(dir, `.${name}.half`);
  await rm(half, { force: true });
  await make(half);
  await rename(half, join(dir, name));
}
