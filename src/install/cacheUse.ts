import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, statSync } from 'node:fs';
import { readdir, readFile, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { at, parseJson, textAt } from '../../probes/transport/json.ts';
import { writeFileAtomicallySync } from '../lib/atomicFile.ts';
import { nearestExisting } from '../lib/paths.ts';
import { errorCode } from '../../probes/errorCode.ts';

/** A node that has used binaries of the cache. */
export interface CacheUse {
  readonly name: string;
  /** The versions of its binaries, by name. */
  readonly versions: Readonly<Record<string, string>>;
  readonly dataDir: string;
}

/** One file for each data folder: nodes start at the same time. */
function useFile(cacheDir: string, dataDir: string): string {
  return join(cacheDir, 'nodes', `${createHash('sha256').update(dataDir).digest('hex').slice(0, 16)}.json`);
}

/**
 * Records in the cache that a node with this data folder, which exists, needs these versions: {@link usesOf} knows it after the node
 * has stopped, too. A cache that is not there, or cannot be written, is not pruned either.
 */
export function recordUse(cacheDir: string, use: CacheUse): void {
  const file = useFile(cacheDir, use.dataDir);
  try {
    const text = `${JSON.stringify({ ...use, device: statSync(use.dataDir).dev })}\n`;
    if (readIfThere(file) === text) return;
    const folder = join(cacheDir, 'nodes');
    if (!existsSync(folder)) mkdirSync(folder);
    writeFileAtomicallySync(file, text);
  } catch (error) {
    if (errorCode(error) === undefined) throw error;
  }
}

function readIfThere(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return undefined;
  }
}

/**
 * The nodes that have used the cache.
 * @param hasData whether the data folder has a node's data, or that node is starting
 */
export async function usesOf(
  cacheDir: string,
  hasData: (use: CacheUse) => Promise<boolean>,
): Promise<CacheUse[]> {
  const folder = join(cacheDir, 'nodes');
  const names = (await readdir(folder).catch(() => [])).filter((name) => name.endsWith('.json'));
  const uses = await Promise.all(
    names.map(async (name) => {
      const file = join(folder, name);
      const json = parseJson(await readFile(file, 'utf8').catch(() => ''));
      const versions = Object.entries(at(json, 'versions') ?? {}).flatMap(([key, value]) =>
        typeof value === 'string' ? [[key, value] as const] : [],
      );
      const [node, dataDir] = [textAt(json, 'name'), textAt(json, 'dataDir')];
      if (!dataDir.startsWith('/')) return [];
      const use = { name: node, dataDir, versions: Object.fromEntries(versions) };
      if ((await hasData(use)) || !(await isOnDevice(dataDir, at(json, 'device')))) return [use];
      await rm(file, { force: true });
      return [];
    }),
  );
  return uses.flat();
}

/** Whether the disk of the folder is mounted: only then missing data has been removed. */
async function isOnDevice(dataDir: string, device: unknown): Promise<boolean> {
  return (await stat(nearestExisting(dataDir))).dev === device;
}
