import { Failure } from '../lib/errors.ts';
import { readNodeFile } from './nodeFile.ts';
import { nodePaths } from '../lib/paths.ts';
import type { Paths } from '../lib/paths.ts';

/** Selects a node, running or not. */
export interface NodeSelector {
  readonly name: string;
  /** The data folder of a node that is down, when it is not the default one. */
  readonly dataDir?: string;
}

/** The paths of a node. A running one records its data folder itself. */
export async function locateNode({ name, dataDir }: NodeSelector): Promise<Paths> {
  return nodePaths(name, dataDir ?? (await readNodeFile(name).catch(() => undefined))?.dataDir);
}

/** What `request` resolves with, or `undefined` when the node does not run. */
export async function ifRunning<T>(request: () => Promise<T>): Promise<T | undefined> {
  return request().catch((error: unknown) => {
    if (error instanceof Failure && error.code === 'notReady') return undefined;
    throw error;
  });
}
