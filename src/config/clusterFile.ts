import { statSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { maxBytes } from './loadConfig.ts';

/** One of the nodes of a cluster on this machine. */
export interface ClusterNode {
  readonly name: string;
  /** The name of its control plane; undefined for a control plane. */
  readonly join?: string | undefined;
  /** The path of its own config. */
  readonly config?: string | undefined;
}

/** What a file of several nodes has and a config has not. */
const nodesKey = /(?:^|[{,\s])"?nodes"?\s*:/;

/**
 * The nodes in a file that describes several: `nodes: [{name: a}, {name: b, join: a}]`. Control planes come first. Undefined if it is
 * the config of one node, cannot be read, or is no YAML: then it is the loader of configs that says so.
 * @throws Failure `usage` with every error, one `file:line:column: message` per line
 */
export async function loadClusterFile(path: string | undefined): Promise<readonly ClusterNode[] | undefined> {
  if (path === undefined) return undefined;
  // A pipe is read once, by the loader.
  const { isFile, size } = statOf(path);
  if (!isFile || size > maxBytes) return undefined;
  const text = await readFile(path, 'utf8').catch(() => '');
  // Loaded on demand: the YAML parser and the schema take tens of ms.
  if (!nodesKey.test(text)) return undefined;
  const nodes = (await import('./yaml/parseCluster.ts')).parseCluster(text, path);
  const inFolder = (config: string): string => resolve(dirname(path), config);
  return nodes?.map(({ name, join, config }) => ({ name, join, config: config && inFolder(config) }));
}

function statOf(path: string): { readonly isFile: boolean; readonly size: number } {
  try {
    const stat = statSync(path);
    return { isFile: stat.isFile(), size: stat.size };
  } catch {
    return { isFile: false, size: 0 };
  }
}
