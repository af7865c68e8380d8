import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { Unhealthy } from '../probes/probe.ts';
import type { Probe } from '../probes/probe.ts';
import { at, listAt, parseJson, textAt } from '../probes/transport/json.ts';
import { until } from '../probes/until.ts';
import { defaults } from '../src/config/schema/defaults.ts';
import { killNodeCgroup } from '../src/host/cgroup/nodeCgroup.ts';
import { readNodeFile } from '../src/instance/nodeFile.ts';
import type { NodeStatus } from '../src/observe/state/status.ts';
import { ours } from './competitors.ts';
import { clientsAt, configMap, create, createAll, deployment, names, timeOf } from './load.ts';
import { executable, nodeName } from './node.ts';
import { RowCollector } from './rows.ts';
import type { Row } from './rows.ts';

const workerName = `${nodeName}-worker`;
const snapshotObjects = 10_000;
const settleMs = 10_000;
const timeoutMs = 300_000;
const execute = promisify(execFile);

/**
 * A worker in a sandbox: how long it takes to join, and its pods to run elsewhere after all of its processes were killed; then snapshots
 * of the cluster with 10,000 objects.
 */
export async function measureCluster(rounds: number, signal: AbortSignal): Promise<Row[]> {
  const rows = new RowCollector();
  const add = (what: string, ms: number, goal?: number): void =>
    rows.add(ms, {
      row: `cluster: ${what}`,
      competitor: ours,
      unit: 'ms',
      ...(goal !== undefined && { goal }),
    });
  for (let round = 0; round < rounds; round += 1) {
    try {
      await command('up', '--detach', '--joinable', '--name', nodeName);
      await settled(signal);
      const joined = await timeOf(async () =>
        command('up', '--detach', '--join', nodeName, '--name', workerName),
      );
      add('up --join, start to exit: Ready', joined);
      add('the same, besides the own start of the kubelet', joined - (await kubeletStart()), 5000);
      add('a worker is killed: its pods run elsewhere', await rescheduled(signal));
      const clients = await clientsOf(signal);
      await createAll(
        clients,
        '/api/v1/namespaces/default/configmaps',
        names('config', snapshotObjects).map(configMap),
        signal,
      );
      const what = `with ${snapshotObjects} ConfigMaps`;
      let file = '';
      add(
        `snapshot save ${what}`,
        await timeOf(async () => void (file = await command('snapshot', 'save', '--name', nodeName))),
      );
      add(
        `snapshot restore ${what}, start to exit: Ready`,
        await timeOf(async () => command('snapshot', 'restore', '--name', nodeName, file.trim())),
      );
    } finally {
      for (const name of [workerName, nodeName]) await command('down', '--purge', '--name', name);
    }
  }
  return rows.rows();
}

async function command(...args: readonly string[]): Promise<string> {
  return (await execute(executable, args)).stdout;
}

/** Waits for so long that the control plane has started all that it starts after it is ready, and both cores are idle. */
async function settled(signal: AbortSignal): Promise<void> {
  const startedAt = performance.now();
  const isOver: Probe = async () => {
    if (performance.now() - startedAt < settleMs) throw new Unhealthy('not yet');
  };
  await until(isOver, { timeoutMs, periodMs: 1000, maxPeriodMs: 1000 }, signal);
}

/** From the start of the worker's kubelet until it answers, in ms. */
async function kubeletStart(): Promise<number> {
  const status: NodeStatus = JSON.parse(await command('status', '--output', 'json', '--name', workerName));
  return status.components.find(({ name }) => name === 'kubelet')?.timeToReadyMs ?? NaN;
}

async function clientsOf(signal: AbortSignal) {
  const { ip } = await readNodeFile(nodeName);
  return clientsAt(ip, defaults.network.apiserverPort, signal);
}

/** From the end of all processes of the worker until its pod, which tolerates that for 1 s, runs on the control plane. */
async function rescheduled(signal: AbortSignal): Promise<number> {
  const [client] = await clientsOf(signal);
  const name = 'movable';
  const object = deployment({ name, replicas: 1, prefersNode: workerName, toleratesLossS: 1 });
  await create(client!, '/apis/apps/v1/namespaces/default/deployments', object, signal);
  const runsOn = async (node: string): Promise<void> => {
    const running: Probe = async (attempt) => {
      const { body } = await client!(`/api/v1/namespaces/default/pods?labelSelector=app%3D${name}`, attempt);
      const pods = listAt(parseJson(body), 'items');
      const isThere = (pod: unknown): boolean =>
        textAt(pod, 'spec', 'nodeName') === node && textAt(pod, 'status', 'phase') === 'Running';
      if (!pods.some((pod) => isThere(pod) && at(pod, 'metadata', 'deletionTimestamp') === undefined))
        throw new Unhealthy(`no pod runs on ${node}`);
    };
    await until(running, { timeoutMs, periodMs: 100, maxPeriodMs: 100, attemptTimeoutMs: 10_000 }, signal);
  };
  await runsOn(workerName);
  return timeOf(async () => {
    await killNodeCgroup(workerName);
    await runsOn(defaults.nodeName);
  });
}
