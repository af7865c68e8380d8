import { accessSync, constants, statSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { Failure, reasonOf } from '../../lib/errors.ts';
import { noexecMount } from '../../lib/mountTable.ts';
import { programOf } from './elf.ts';
import type { Program } from './elf.ts';
import { nodeBinaries } from './binaries.ts';
import type { BinarySpec } from './binaries.ts';

/** Where a binary was found, in the order of searching. */
export type Origin = 'bin-dir' | 'path' | 'cache';

interface Found {
  /** Absolute. For a binary with `files`, the folder that holds them all. */
  readonly path: string;
  readonly from: Origin;
}

export interface FindOptions {
  /** Searched first; each must exist. */
  readonly binDirs: readonly string[];
  /** Folders, colon-separated. Default: PATH, then the folders of system programs, which a user's PATH may lack. */
  readonly path?: string;
  /** Folders of the cache that hold binaries. */
  readonly cacheDirs: readonly string[];
  /** Folders of the cache with a set of official releases that fit together: what such releases have is not taken from elsewhere in it. */
  readonly releaseDirs?: readonly string[];
  /** Default: everything a node needs. */
  readonly binaries?: readonly BinarySpec[];
  /** The names of binaries that are not searched for in PATH. */
  readonly notFromPath?: ReadonlySet<string>;
}

export interface FindResult {
  /** By name. */
  readonly found: ReadonlyMap<string, Found>;
  readonly missing: readonly BinarySpec[];
}

type SearchDir = readonly [string, Origin];

const systemDirs = ['/usr/local/sbin', '/usr/sbin', '/sbin', '/usr/local/bin', '/usr/bin', '/bin'];

/** Where packages put CNI plugins: Debian's, then upstream's folder. */
const cniDirs = ['/usr/lib/cni', '/opt/cni/bin'];

/** The folders of PATH, then those of system programs, each once. */
export function systemPath(path = process.env['PATH'] ?? ''): string {
  return [...new Set([...path.split(':').filter((dir) => dir.startsWith('/')), ...systemDirs])].join(':');
}

/** The same folders as a PATH, for programs that call others by name. */
export function searchPath({
  binDirs,
  cacheDirs,
  releaseDirs = [],
  path = systemPath(),
}: FindOptions): string {
  return [...binDirs.map((dir) => resolve(dir)), path, ...releaseDirs, ...cacheDirs].join(':');
}

/**
 * Searches for every binary in the bin-dirs, then in PATH, then in the cache, and changes nothing. Synchronous: most files do
 * not exist, and a synchronous stat takes microseconds, a hundredth of an asynchronous one.
 *
 * @throws Failure `usage` when a bin-dir is not a folder, `install` when a binary cannot run on this machine.
 */
export function findBinaries(options: FindOptions): FindResult {
  const { path = systemPath(), binaries = nodeBinaries } = options;
  const binDirs = options.binDirs.map((dir) => resolve(dir));
  binDirs.forEach(assertFolder);
  const system = path.split(':').filter(Boolean);
  const searchDirs = (binary: BinarySpec): SearchDir[] => [
    ...binDirs.map((dir) => [dir, 'bin-dir'] as const),
    ...(binary.files ? [...system, ...cniDirs] : system)
      .filter(() => !options.notFromPath?.has(binary.name))
      .map((dir) => [dir, 'path'] as const),
    ...cacheDirsFor(binary, options).map((dir) => [dir, 'cache'] as const),
  ];
  const found = new Map<string, Found>();
  const missing: BinarySpec[] = [];
  for (const binary of binaries) {
    const hit = findOne(binary, searchDirs(binary));
    if (hit) found.set(binary.name, hit);
    else missing.push(binary);
  }
  return { found, missing };
}

/** catatonit fits every version. */
function cacheDirsFor({ release }: BinarySpec, { cacheDirs, releaseDirs }: FindOptions): readonly string[] {
  if (releaseDirs === undefined || release === undefined) return cacheDirs;
  return release === 'catatonit' ? [...releaseDirs, ...cacheDirs] : releaseDirs;
}

function findOne(binary: BinarySpec, searchDirs: readonly SearchDir[]): Found | undefined {
  for (const [dir, from] of searchDirs) {
    if (!binary.files) {
      const path = join(dir, binary.name);
      if (isUsable(path, from, binary)) return { path, from };
      continue;
    }
    // The plugins may be in the given folder itself, or in a folder of the binary's name in it.
    for (const folder of [dir, join(dir, binary.name)]) {
      if (binary.files.every((file) => isUsable(join(folder, file), from, binary))) {
        return { path: folder, from };
      }
    }
  }
  return undefined;
}

function isFile(path: string): boolean {
  try {
    return statSync(path, { throwIfNoEntry: false })?.isFile() ?? false;
  } catch {
    // A folder that we may not read.
    return false;
  }
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

function isUsable(path: string, from: Origin, binary: BinarySpec): boolean {
  if (!isFile(path)) return false;
  if (!isExecutable(path)) {
    // As a shell does with PATH; a bin-dir was named on purpose.
    if (from === 'path') return false;
    throw notExecutable(path);
  }
  const program = readProgram(path);
  if (program.kind === 'neither') {
    throw new Failure('install', `${path} is not a program: neither ELF nor a script`, {
      hint: replaceHint(from, path),
    });
  }
  if (program.kind === 'elf' && program.arch !== process.arch) {
    throw new Failure('install', `${path} is for ${program.arch}, this machine is ${process.arch}`, {
      hint: replaceHint(from, path),
    });
  }
  return !binary.static || (program.kind === 'elf' && program.static);
}

function notExecutable(path: string): Failure {
  const mountPoint = noexecMount(path);
  return mountPoint === undefined
    ? new Failure('install', `${path} is not executable`, { hint: `chmod +x ${path}` })
    : noexecFailure(path, mountPoint);
}

/** Nothing that is put into the folder could run. @throws Failure `install` if it is mounted with noexec */
export function assertCanExecute(folder: string): void {
  const mountPoint = noexecMount(folder);
  if (mountPoint !== undefined) throw noexecFailure(folder, mountPoint);
}

function noexecFailure(path: string, mountPoint: string): Failure {
  return new Failure('install', `${path} cannot run: ${mountPoint} is mounted with noexec`, {
    hint: `mount -o remount,exec ${mountPoint}; or use another folder, for the cache by XDG_CACHE_HOME`,
  });
}

function readProgram(path: string): Program {
  try {
    return programOf(path);
  } catch (error) {
    throw new Failure('install', `${path} cannot be read: ${reasonOf(error)}`, { cause: error });
  }
}

function replaceHint(from: Origin, path: string): string {
  return from === 'bin-dir' ? 'give a --bin-dir with binaries for this machine' : `remove ${path}`;
}

function assertFolder(dir: string): void {
  let isFolder: boolean;
  try {
    isFolder = statSync(dir).isDirectory();
  } catch (cause) {
    throw new Failure('usage', `--bin-dir ${dir} does not exist`, { cause });
  }
  if (!isFolder) throw new Failure('usage', `--bin-dir ${dir} is not a folder`);
}

/** @throws Failure `install` with the names of the missing binaries, if any. */
export function refuseMissing(missing: readonly BinarySpec[]): void {
  if (missing.length === 0) return;
  throw new Failure('install', `missing: ${missing.map(({ name }) => name).join(', ')}`, {
    hint: 'install them with k8s-single install, or give a folder that has them with --bin-dir',
  });
}
