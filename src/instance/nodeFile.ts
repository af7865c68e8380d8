import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { notRunning } from '../control/node.ts';
import { nodePaths } from '../lib/paths.ts';

/** What other commands need to know of a running node: `node.json` in its run folder. */
export interface NodeFile {
  readonly name: string;
  /** The supervisor's pid in its own PID namespace. */
  readonly pid: number;
  /** The node's own address. */
  readonly ip: string;
  readonly dataDir: string;
  /** The URL of the page, when one is served. */
  readonly url?: string;
  /** The path of the administrator's kubeconfig. Missing for a graph without Kubernetes. */
  readonly kubeconfig?: string;
  /** Where clients reach the API server, when not at `ip`. */
  readonly server?: string;
  /** The path of a kubectl that fits the node's version. */
  readonly kubectl?: string;
  /** The path of ctr, the client of its containerd. */
  readonly ctr?: string;
  /** The snapshotter of that containerd. */
  readonly snapshotter?: string;
}

const file = (name: string): string => join(nodePaths(name).run, 'node.json');

export async function writeNodeFile(node: NodeFile): Promise<void> {
  await writeFile(file(node.name), `${JSON.stringify(node, undefined, 2)}\n`, { mode: 0o600 });
}

/** @throws Failure `notReady` when no node of this name runs. */
export async function readNodeFile(name: string): Promise<NodeFile> {
  const text = await readFile(file(name), 'utf8').catch((cause: unknown) => {
    throw notRunning(name, cause);
  });
  const node: NodeFile = JSON.parse(text);
  return node;
}
