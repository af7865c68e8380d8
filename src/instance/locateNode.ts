import { Failure } from '../lib/errors.ts';
import { readNodeFile } from './nodeFile.ts';
import { nodePaths } from '../lib/paths.ts';
import type { Paths } from '../lib/paths.ts';

/** What says which node is meant, running or not. */
export interface NodeSelector {
  readonly name: string;
  /** Where the data of a node is that is down and had it elsewhere than usual. */
  readonly dataDir?: string;
}

/** Where the node keeps its things: a running one says it itself. */
export async function locateNode({ name, dataDir }: NodeSelector): Promise<Paths> {
  return nodePaths(name, dataDir ?? (await readNodeFile(name).catch(() => undefined))?.dataDir);
}

/** What `ask` resolves with, or undefined when no node runs that could be asked. */
export async function ifRunning<T>(ask: () => Promise<T>): Promise<T | undefined> {
  return ask().catch((error: unknown) => {
    if (error instanceof Failure && error.code === 'notReady') return undefined;
    throw error;
  });
}
