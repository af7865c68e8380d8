import { Failure, reasonOf } from '../../lib/errors.ts';
import { findBinaries, systemPath, type FindOptions } from './find.ts';
import { nodeBinaries, type BinarySpec } from './needs.ts';
import { cacheDirs } from './cache.ts';
import { askVersion } from './versions.ts';

/** One binary as `doctor` shows it. */
export interface BinaryRow {
  readonly binary: string;
  /** Where it was found; undefined when it is missing. */
  readonly path: string | undefined;
  readonly from: 'bin-dir' | 'path' | 'cache' | undefined;
  readonly version: string | undefined;
  /** What is wrong with it, and what mends that; undefined when it is fine. */
  readonly problem: string | undefined;
  readonly remedy: string | undefined;
}

/** Looks for each binary by itself, asks it for its version, and brings nothing. Never rejects for a bad binary. */
export async function binaryRows(options: {
  readonly binDirs: readonly string[];
  readonly cacheDir: string;
  readonly path?: string;
  readonly needs?: readonly BinarySpec[];
}): Promise<BinaryRow[]> {
  const { binDirs, path = systemPath(), needs = nodeBinaries } = options;
  const dirs = cacheDirs(options.cacheDir);
  return await Promise.all(needs.map((need) => rowOf(need, { binDirs, path, cacheDirs: dirs })));
}

async function rowOf(need: BinarySpec, places: Omit<FindOptions, 'needs'>): Promise<BinaryRow> {
  const row = { binary: need.name, path: undefined, from: undefined, version: undefined };
  try {
    const { found } = findBinaries({ ...places, needs: [need] });
    const hit = found.get(need.name);
    if (!hit) return { ...row, problem: 'missing', remedy: remedyOf(need) };
    const version = await askVersion(need, hit.path);
    return { binary: need.name, ...hit, version, problem: undefined, remedy: undefined };
  } catch (error) {
    return { ...row, problem: reasonOf(error), remedy: error instanceof Failure ? error.hint : undefined };
  }
}

function remedyOf(need: BinarySpec): string {
  return need.debian === undefined
    ? 'k8s-single install builds it once from the Kubernetes source'
    : `k8s-single install, or apt-get install ${need.debian}`;
}
