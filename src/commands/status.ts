import { client } from '../control/client.ts';
import { exitCodes, Failure, reasonOf } from '../lib/errors.ts';
import { nodePaths } from '../lib/paths.ts';
import type { ListedNode } from '../kubernetes/join/clusterNodes.ts';
import type { Style } from '../observe/terminal/style.ts';
import type { NodeStatus } from '../observe/state/status.ts';

interface StatusOptions {
  readonly name: string;
  readonly output: 'table' | 'json';
  readonly wait?: boolean;
  readonly watch?: boolean;
  readonly timeout: string;
}

/** `k8s-single status`: exits 0 only when the whole node is ready. */
export async function status({ name, output, wait, watch, timeout }: StatusOptions): Promise<number> {
  const node = client<NodeStatus>(nodePaths(name).controlSocket);
  if (watch === true) await watchNode(name, async () => node.status());
  // Loaded only here: a plain status, a whole process, takes less than 150 ms.
  if (wait === true) {
    const { parseDuration } = await import('../config/schema/duration.ts');
    const { waitReady } = await import('../observe/state/wait.ts');
    const options = {
      name,
      timeoutMs: parseDuration(timeout),
      onAttemptFailed: (reason: string) => console.error(reason),
    };
    await waitReady(async (signal) => node.status(signal), options, new AbortController().signal);
  }
  const current = await node.status().catch(async (error: unknown) => {
    const { explainAbsence } = await import('../instance/lifeState.ts');
    throw await explainAbsence(name, error);
  });
  const cluster = await clusterOf(name, current);
  if (output === 'json') {
    const nodes = cluster?.nodes;
    console.log(JSON.stringify({ ...current, ...(nodes && { nodes }) }, undefined, 2));
  } else {
    const { styleFor } = await import('../observe/terminal/style.ts');
    const columns = process.stdout.isTTY ? process.stdout.columns : Number.POSITIVE_INFINITY;
    const lines = await linesOf(current, cluster, columns, styleFor(process.stdout, process.env));
    for (const line of lines) console.log(line);
  }
  return current.ready ? exitCodes.ok : exitCodes.notReady;
}

/** The nodes of a cluster, or why its API server does not say. */
type ClusterAnswer =
  | { readonly nodes: readonly ListedNode[] }
  | { readonly nodes?: undefined; readonly reason: string };

async function clusterOf(name: string, { multiNode }: NodeStatus): Promise<ClusterAnswer | undefined> {
  return multiNode === true ? nodesOfCluster(name) : undefined;
}

/** The nodes of a cluster that can have more than one, by its API server, which has 2 s for its answer. Undefined for any other. */
export async function nodesOfCluster(name: string): Promise<ClusterAnswer | undefined> {
  const { readNodeFile } = await import('../instance/nodeFile.ts');
  const file = await readNodeFile(name).catch(() => undefined);
  if (file === undefined) return undefined;
  const paths = nodePaths(name, file.dataDir);
  const own = file.joinAt ?? file.apiserver;
  if (own === undefined && file.worker === undefined) return undefined;
  // Of a worker in a sandbox, this machine may not see the certificate.
  if (file.worker !== undefined && file.cluster !== undefined)
    return (await nodesOfCluster(file.cluster)) ?? { reason: `node ${file.cluster} is not running` };
  const { clusterNodes } = await import('../kubernetes/join/clusterNodes.ts');
  const { adminAt, workerAt } = await import('../kubernetes/kubeconfig/clients.ts');
  const api = file.worker === undefined ? adminAt(own!, paths) : workerAt(file.worker.server, paths);
  const { probeOnce } = await import('../../probes/probeOnce.ts');
  let nodes: readonly ListedNode[] = [];
  const list = async (signal: AbortSignal): Promise<void> => void (nodes = await clusterNodes(api, signal));
  return probeOnce(list, 2000, new AbortController().signal).then(
    () => ({ nodes }),
    (error: unknown) => ({ reason: reasonOf(error) }),
  );
}

/** The table of the node and, below it, that of its cluster. */
async function linesOf(
  current: NodeStatus,
  cluster: ClusterAnswer | undefined,
  columns: number,
  style: Style,
): Promise<string[]> {
  const { statusTable } = await import('../observe/terminal/statusTable.ts');
  const lines = statusTable(current, columns, style);
  if (cluster === undefined || cluster.nodes?.length === 1) return lines;
  const { clusterTable, clusterUnknown } = await import('../observe/terminal/clusterTable.ts');
  if (cluster.nodes !== undefined) return [...lines, '', ...clusterTable(cluster.nodes, columns, style)];
  return [...lines, ...clusterUnknown(cluster.reason, columns, style)];
}

async function watchNode(name: string, fetchStatus: () => Promise<NodeStatus>): Promise<void> {
  if (!process.stdout.isTTY) {
    throw new Failure('usage', '--watch needs a terminal on stdout', {
      hint: 'use --wait, or run status again',
    });
  }
  const { drawEachSecond } = await import('../observe/terminal/drawEachSecond.ts');
  const { styleFor } = await import('../observe/terminal/style.ts');
  const style = styleFor(process.stdout, process.env);
  const interrupt = new AbortController();
  process.once('SIGINT', () => interrupt.abort());
  const getLines = async (columns: number): Promise<string[]> => {
    const current = await fetchStatus();
    return linesOf(current, await clusterOf(name, current), columns, style);
  };
  await drawEachSecond(getLines, process.stdout, interrupt.signal);
}
