import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parseJson, textAt } from '../../probes/transport/json.ts';
import type { PortMapping } from '../config/schema/ports.ts';
import { notRunning } from '../control/node.ts';
import { writeFileAtomically } from '../lib/atomicFile.ts';
import { nodeCommand } from '../lib/commandLine.ts';
import { Failure } from '../lib/errors.ts';
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
  /** The published ports. */
  readonly ports?: readonly PortMapping[];
  /** The path of the administrator's kubeconfig. Missing for a graph without Kubernetes. */
  readonly kubeconfig?: string;
  /** Where clients reach the API server, when not at `ip`. */
  readonly server?: string;
  /** The path of a kubectl that fits the node's version. */
  readonly kubectl?: string;
  /** The path of ctr, the client of its containerd. */
  readonly ctr?: string;
  /** The path of its etcd. Missing for a node whose cluster is in an etcd of others. */
  readonly etcd?: string;
  /** The snapshotter of that containerd. */
  readonly snapshotter?: string;
  /** The arguments of `up` that start it again in a sandbox. */
  readonly up?: readonly string[];
  /** Its process starts it again when it is asked to: one directly on its machine, or in a container. */
  readonly restartsItself?: true;
  /** The settings `snapshots.dir` and `snapshots.passphraseFile`, if its config has them: absolute paths. */
  readonly snapshots?: { readonly dir?: string; readonly passphraseFile?: string };
  /** In a sandbox: the cluster whose other nodes on this machine it reaches. It has the name of its control plane. */
  readonly cluster?: string;
  /** The URL of the API server at which other nodes join the cluster. Missing if none can. */
  readonly joinAt?: string;
  /** The URL of its API server, if there may be others of the cluster: with an etcd of others. */
  readonly apiserver?: string;
  /** Of a worker: the URL of its API server, the name of its Node, and the version of the cluster. */
  readonly worker?: WorkerFile;
  /** The setting `kubelet.minFreeMiB`, if its config has it. */
  readonly minFreeMiB?: number;
}

interface WorkerFile {
  readonly server: string;
  readonly nodeName: string;
  readonly kubernetes: string;
}

/** Its path. */
export function nodeFile(name: string): string {
  return join(nodePaths(name).run, 'node.json');
}

export async function writeNodeFile(node: NodeFile): Promise<void> {
  await writeFileAtomically(nodeFile(node.name), `${JSON.stringify(node, undefined, 2)}\n`, { mode: 0o600 });
}

/** @throws Failure `notReady` when no node of this name runs, `preflight` when the file is damaged. */
export async function readNodeFile(name: string): Promise<NodeFile> {
  const text = await readFile(nodeFile(name), 'utf8').catch((cause: unknown) => {
    throw notRunning(name, cause);
  });
  const content = parseJson(text);
  if (textAt(content, 'name') !== name || textAt(content, 'dataDir') === '') {
    throw new Failure('preflight', `${nodeFile(name)} is damaged: it does not describe node ${name}`, {
      hint: `take the node down, and start it again: ${nodeCommand('down', { name })}`,
    });
  }
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the same program has written it, atomically
  return content as NodeFile;
}
