import { accessSync, constants, statSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { Failure, reasonOf } from '../../lib/errors.ts';
import { programOf } from './elf.ts';
import type { Program } from './elf.ts';
import { nodeBinaries } from './needs.ts';
import type { BinarySpec } from './needs.ts';

/** Where a binary was found, in the order of looking. */
export type From = 'bin-dir' | 'path' | 'cache';

interface Found {
  /** Absolute. For a need with `files`, the folder that holds them all. */
  readonly path: string;
  readonly from: From;
}

export interface FindOptions {
  /** Looked in first; each must exist. */
  readonly binDirs: readonly string[];
  /** Folders, colon-separated. Default: PATH, then the folders of system programs, which a user's PATH may lack. */
  readonly path?: string;
  /** Folders of the cache with binaries in them. */
  readonly cacheDirs: readonly string[];
  readonly needs?: readonly BinarySpec[];
  /** The names of needs for which PATH is passed over. */
  readonly notFromPath?: ReadonlySet<string>;
}

export interface FindResult {
  readonly found: ReadonlyMap<string, Found>;
  readonly missing: readonly BinarySpec[];
}

type Place = readonly [string, From];

const systemDirs = ['/usr/local/sbin', '/usr/sbin', '/sbin', '/usr/local/bin', '/usr/bin', '/bin'];

/** Where packages put CNI plugins: Debian's, then upstream's folder. */
const cniDirs = ['/usr/lib/cni', '/opt/cni/bin'];

/** The folders of PATH with those of system programs behind them, each once. */
export function systemPath(path = process.env['PATH'] ?? ''): string {
  return [...new Set([...path.split(':').filter((dir) => dir.startsWith('/')), ...systemDirs])].join(':');
}

/** A PATH for what is found by its name alone, in the order of looking. */
export function searchPath({ binDirs, cacheDirs, path = systemPath() }: FindOptions): string {
  return [...binDirs.map((dir) => resolve(dir)), path, ...cacheDirs].join(':');
}

/**
 * Looks for every need in the bin-dirs, then in PATH, then in the cache, and changes nothing. Synchronous: most looks miss,
 * and a look costs microseconds, a hundredth of what a promise of it does.
 *
 * @throws Failure `usage` when a bin-dir is no folder, `install` when what was found cannot run here.
 */
export function findBinaries(options: FindOptions): FindResult {
  const { cacheDirs, path = systemPath(), needs = nodeBinaries } = options;
  const binDirs = options.binDirs.map((dir) => resolve(dir));
  binDirs.forEach(mustBeFolder);
  const system = path.split(':').filter(Boolean);
  const places = (need: BinarySpec): Place[] => [
    ...binDirs.map((dir) => [dir, 'bin-dir'] as const),
    ...(need.files ? [...system, ...cniDirs] : system)
      .filter(() => !options.notFromPath?.has(need.name))
      .map((dir) => [dir, 'path'] as const),
    ...cacheDirs.map((dir) => [dir, 'cache'] as const),
  ];
  const found = new Map<string, Found>();
  const missing: BinarySpec[] = [];
  for (const need of needs) {
    const hit = findOne(need, places(need));
    if (hit) found.set(need.name, hit);
    else missing.push(need);
  }
  return { found, missing };
}

function findOne(need: BinarySpec, places: readonly Place[]): Found | undefined {
  for (const [dir, from] of places) {
    if (!need.files) {
      const path = join(dir, need.name);
      if (usable(path, from, need)) return { path, from };
      continue;
    }
    // A folder of plugins may be the given folder itself, or lie in it under the need's name.
    for (const folder of [dir, join(dir, need.name)]) {
      if (need.files.every((file) => usable(join(folder, file), from, need))) return { path: folder, from };
    }
  }
  return undefined;
}

function isFile(path: string): boolean {
  try {
    return statSync(path, { throwIfNoEntry: false })?.isFile() ?? false;
  } catch {
    // Not ours to read: nor to run.
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

function usable(path: string, from: From, need: BinarySpec): boolean {
  if (!isFile(path)) return false;
  if (!isExecutable(path)) {
    // A shell, too, passes over what is not executable in PATH; a bin-dir was named on purpose.
    if (from === 'path') return false;
    throw new Failure('install', `${path} is not executable`, { hint: `chmod +x ${path}` });
  }
  const program = readProgram(path);
  if (program.kind === 'neither') {
    throw new Failure('install', `${path} is no program: neither ELF nor a script`, {
      hint: remove(from, path),
    });
  }
  if (program.kind === 'elf' && program.arch !== process.arch) {
    throw new Failure('install', `${path} is for ${program.arch}, this machine is ${process.arch}`, {
      hint: remove(from, path),
    });
  }
  return !need.static || (program.kind === 'elf' && program.static);
}

function readProgram(path: string): Program {
  try {
    return programOf(path);
  } catch (error) {
    throw new Failure('install', `${path} cannot be read: ${reasonOf(error)}`, { cause: error });
  }
}

function remove(from: From, path: string): string {
  return from === 'bin-dir' ? 'give a --bin-dir with binaries for this machine' : `remove ${path}`;
}

function mustBeFolder(dir: string): void {
  let isFolder: boolean;
  try {
    isFolder = statSync(dir).isDirectory();
  } catch (cause) {
    throw new Failure('usage', `--bin-dir ${dir} does not exist`, { cause });
  }
  if (!isFolder) throw new Failure('usage', `--bin-dir ${dir} is not a folder`);
}

/** @throws Failure `install` that names what is missing, if anything is. */
export function refuseMissing(missing: readonly BinarySpec[]): void {
  if (missing.length === 0) return;
  throw new Failure('install', `missing: ${missing.map((need) => need.name).join(', ')}`, {
    hint: 'k8s-single install brings what is missing; or give a folder that has it with --bin-dir',
  });
}
