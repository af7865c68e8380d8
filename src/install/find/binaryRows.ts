import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { Failure, reasonOf } from '../../lib/errors.ts';
import { nodeBinaries, type BinarySpec } from './binaries.ts';
import { cacheSets } from './cacheSets.ts';
import type { CacheSet } from './cacheSets.ts';
import { findBinaries, searchPath, systemPath, type FindOptions, type Origin } from './findBinaries.ts';
import { packageCommand } from './systemPackages.ts';
import { versionOf } from './versions.ts';

/** One binary in `doctor`'s table. */
export interface BinaryRow {
  readonly binary: string;
  /** Undefined when it is missing. */
  readonly path: string | undefined;
  readonly from: Origin | undefined;
  readonly version: string | undefined;
  /** Why it cannot be used, and how to fix that; undefined when it can. */
  readonly problem: string | undefined;
  readonly remedy: string | undefined;
}

interface Search {
  readonly binDirs: readonly string[];
  readonly cacheDir: string;
  readonly path?: string;
  readonly binaries?: readonly BinarySpec[];
  /** The requested version of Kubernetes: 1.36 or 1.36.2. */
  readonly kubernetes?: string | undefined;
}

/** Finds each binary by itself and runs it to get its version; installs nothing. Never rejects for a bad binary. */
export async function binaryRows(options: Search): Promise<BinaryRow[]> {
  const search = searchOf(options);
  return await Promise.all((options.binaries ?? nodeBinaries).map((binary) => rowOf(binary, search)));
}

/** The folders in which `up` would look for programs, separated by colons. */
export function foldersToSearch(options: Search): string {
  return searchPath(searchOf(options));
}

function searchOf({ binDirs, path = systemPath(), binaries = nodeBinaries, ...rest }: Search): FindOptions {
  const sets = cacheSets(rest.cacheDir, { source: 'auto', kubernetes: rest.kubernetes });
  return { binDirs, path, ...bestSet(sets, { binDirs, path, binaries }) };
}

/** The set that `up` would take: the first one that has everything. */
function bestSet(sets: readonly CacheSet[], search: Omit<FindOptions, 'cacheDirs'>): CacheSet {
  const isComplete = (set: CacheSet): boolean => {
    try {
      return findBinaries({ ...search, ...set }).missing.length === 0;
    } catch {
      // A bad binary gets its own row.
      return true;
    }
  };
  return sets.find(isComplete) ?? sets[0]!;
}

async function rowOf(binary: BinarySpec, search: Omit<FindOptions, 'binaries'>): Promise<BinaryRow> {
  const row = { binary: binary.name, path: undefined, from: undefined, version: undefined };
  try {
    const { found } = findBinaries({ ...search, binaries: [binary] });
    const hit = found.get(binary.name);
    if (!hit) return { ...row, problem: 'missing', remedy: remedyOf(binary) };
    const version = await versionOf(binary, hit.path);
    return { binary: binary.name, ...hit, version, problem: undefined, remedy: undefined };
  } catch (error) {
    return { ...row, problem: reasonOf(error), remedy: error instanceof Failure ? error.hint : undefined };
  }
}

function remedyOf(binary: BinarySpec): string {
  if (binary.debianPackage === undefined) return 'k8s-single install downloads it';
  const hasApt = systemPath()
    .split(':')
    .some((dir) => existsSync(join(dir, 'apt-get')));
  if (binary.release === undefined && !hasApt) return packageCommand([binary]);
  return `k8s-single install, or ${packageCommand([binary])}`;
}
