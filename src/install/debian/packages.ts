import type { Stats } from 'node:fs';
import { lstat, mkdir, readdir, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { replaceAtomically, writeFileAtomically } from '../../lib/atomicFile.ts';
import { Failure } from '../../lib/errors.ts';
import type { BinarySpec } from '../find/binaries.ts';
import type { DebianTree } from '../find/cacheLayout.ts';
import type { Report } from '../steps.ts';
import type { PrivateApt } from './apt.ts';

/** The two programs behind each iptables command; which one works depends on the kernel. */
export const iptablesBackEnds = ['nft', 'legacy'] as const;

/**
 * Unpacks the packages of these binaries and creates their entries in `tree.bin`. An entry is created last and atomically, so a
 * binary that has one is complete; an interrupted one is unpacked again.
 */
export async function addPackages(
  apt: PrivateApt,
  tree: DebianTree,
  binaries: readonly BinarySpec[],
  report: Report,
): Promise<void> {
  const packages = [...new Set(binaries.flatMap(({ debianPackage }) => debianPackage ?? []))].sort();
  await apt.unpack(packages, tree.root, report);
  await mkdir(tree.bin, { recursive: true });
  const libraries = await librariesOf(tree.root);
  for (const binary of binaries) {
    if (binary.debianPackage === 'iptables') {
      for (const backEnd of iptablesBackEnds) await addEntry(tree, binary, libraries, backEnd);
    } else if (binary.files) {
      await replaceAtomically(join(tree.bin, binary.name), (path) => symlink('../root/usr/lib/cni', path));
    } else {
      await addEntry(tree, binary, libraries);
    }
  }
}

async function addEntry(
  tree: DebianTree,
  { name, debianPackage, debianFile = name }: BinarySpec,
  libraries: readonly string[],
  backEnd?: string,
): Promise<void> {
  const program = backEnd === undefined ? debianFile : `xtables-${backEnd}-multi`;
  const path = await firstExisting(
    ['usr/sbin', 'usr/bin', 'sbin', 'bin'].map((dir) => join(dir, program)),
    tree.root,
    // A link may be absolute, to a file of this machine.
    (file) => file.isFile(),
  );
  if (path === undefined) {
    throw new Failure('install', `Debian's package ${debianPackage} has no ${program} on this machine`, {
      hint: `apt-get install ${debianPackage}, and try again`,
    });
  }
  if (backEnd === undefined && !(await needsOneOf(libraries, tree.root, join(tree.root, path)))) {
    return await replaceAtomically(join(tree.bin, name), (link) => symlink(join('../root', path), link));
  }
  const entry = backEnd === undefined ? name : `${name}.${backEnd}`;
  const words = backEnd === undefined ? '' : ` ${name}`;
  await writeFileAtomically(join(tree.bin, entry), script(libraries, path, words), { mode: 0o755 });
}

/** Finds the tree by a relative path, so that the cache can be moved. */
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

/** Whether the program loads a library of the tree. A static one loads none. */
async function needsOneOf(libraries: readonly string[], root: string, file: string): Promise<boolean> {
  const { execa } = await import('execa');
  const { stdout } = await execa('ldd', [file], { reject: false });
  const loaded = [...stdout.matchAll(/^\s*(\S+\.so\S*)/gm)].map((match) => match[1] ?? '');
  return (
    (await firstExisting(
      libraries.flatMap((dir) => loaded.map((name) => join(dir, name))),
      root,
    )) !== undefined
  );
}

async function firstExisting(
  paths: readonly string[],
  root: string,
  accepts: (file: Stats) => boolean = () => true,
): Promise<string | undefined> {
  for (const path of paths) {
    const file = await lstat(join(root, path)).catch(() => undefined);
    if (file && accepts(file)) return path;
  }
  return undefined;
}

export async function exists(path: string): Promise<boolean> {
  return (await lstat(path).catch(() => undefined)) !== undefined;
}
