import { client } from '../control/client.ts';
import { exitCodes, Failure } from '../lib/errors.ts';
import { nodePaths } from '../lib/paths.ts';
import type { ListedNode } from '../kubernetes/join/clusterNodes.ts';
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
  if (watch === true) await watchNode(async () => node.status());
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
  const nodes = await nodesOfCluster(name);
  if (output === 'json') console.log(JSON.stringify({ ...current, ...(nodes && { nodes }) }, undefined, 2));
  else await printTable(current);
  if (output === 'table' && nodes !== undefined && nodes.length > 1) await printNodes(nodes);
  return current.ready ? exitCodes.ok : exitCodes.notReady;
}

/** The nodes of a cluster that can have more than one; undefined without an answer of its API server within 2 s. */
export async function nodesOfCluster(name: string): Promise<readonly ListedNode[] | undefined> {
  const { readNodeFile } = await import('../instance/nodeFile.ts');
  const { joinAt, dataDir } = await readNodeFile(name).catch(() => ({
    joinAt: undefined,
    dataDir: undefined,
  }));
  if (joinAt === undefined) return undefined;
  const { clusterNodes } = await import('../kubernetes/join/clusterNodes.ts');
  const { adminAt } = await import('../kubernetes/kubeconfig/clients.ts');
  const api = adminAt(joinAt, nodePaths(name, dataDir));
  return clusterNodes(api, AbortSignal.timeout(2000)).catch(() => undefined);
}

async function printNodes(nodes: readonly ListedNode[]): Promise<void> {
  const { table } = await import('../lib/text/table.ts');
  const rows = nodes.map(({ name, ready, schedulable, version, address, podCidr }) => [
    name,
    `${ready ? 'ready' : 'not ready'}${schedulable ? '' : ', cordoned'}`,
    version,
    address,
    podCidr,
  ]);
  console.log();
  for (const line of table([['NODE', 'STATE', 'VERSION', 'ADDRESS', 'PODS'], ...rows])) console.log(line);
}

async function printTable(current: NodeStatus): Promise<void> {
  const { statusTable } = await import('../observe/terminal/statusTable.ts');
  const { styleFor } = await import('../observe/terminal/style.ts');
  const columns = process.stdout.isTTY ? process.stdout.columns : Number.POSITIVE_INFINITY;
  for (const line of statusTable(current, columns, styleFor(process.stdout, process.env))) console.log(line);
}

async function watchNode(fetchStatus: () => Promise<NodeStatus>): Promise<void> {
  if (!process.stdout.isTTY) {
    throw new Failure('usage', '--watch needs a terminal on stdout', {
      hint: 'use --wait, or run status again',
    });
  }
  const { watchStatus } = await import('../observe/terminal/statusTable.ts');
  const { styleFor } = await import('../observe/terminal/style.ts');
  const interrupt = new AbortController();
  process.once('SIGINT', () => interrupt.abort());
  await watchStatus(fetchStatus, process.stdout, styleFor(process.stdout, process.env), interrupt.signal);
}
