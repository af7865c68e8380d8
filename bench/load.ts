import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Unhealthy } from '../probes/probe.ts';
import type { Probe } from '../probes/probe.ts';
import { at, parseJson } from '../probes/transport/json.ts';
import { until } from '../probes/until.ts';
import type { NodeConfig } from '../src/config/schema/node.ts';
import { hierarchies } from '../src/host/cgroup/hierarchies.ts';
import { nodeCgroup } from '../src/host/cgroup/nodeCgroup.ts';
import { pauseImageOf } from '../src/kubernetes/images/pauseImage.ts';
import { nodeName } from './node.ts';
import { adminClient, nodeAddress } from './observer.ts';
import type { ApiClient } from './observer.ts';

/** How long a node takes for what many users ask of it, in ms. */
export interface LoadTimes {
  readonly configMaps: number;
  readonly services: number;
  /** From the request for a Deployment until all its pods are ready. */
  readonly pods: number;
  /** Processor time of the whole node meanwhile. */
  readonly cpu: number;
}

/** How much there is of each. One pod runs already, and a kubelet takes 110 (maxPods). */
export const load = { configMaps: 1000, services: 200, pods: 100 } as const;

/** How many requests are sent at a time. */
const concurrency = 8;

const timeoutMs = 300_000;

const names = (prefix: string, count: number): string[] =>
  Array.from({ length: count }, (_, index) => `${prefix}-${index}`);

/** Asks a node that is up for all that, one after the other. */
export async function measureLoad(config: NodeConfig, signal: AbortSignal): Promise<LoadTimes> {
  const address = { host: await nodeAddress(timeoutMs, signal), port: config.network.apiserverPort };
  const clients = await Promise.all(
    Array.from({ length: concurrency }, async () => adminClient(address, timeoutMs, signal)),
  );
  const createAll = async (path: string, objects: readonly object[]): Promise<void> => {
    const rest = [...objects];
    const worker = async (client: ApiClient): Promise<void> => {
      for (let next = rest.pop(); next !== undefined; next = rest.pop())
        await create(client, path, next, signal);
    };
    await Promise.all(clients.map(worker));
  };
  const before = await cpuMs();
  const configMaps = await timeOf(async () =>
    createAll('/api/v1/namespaces/default/configmaps', names('config', load.configMaps).map(configMap)),
  );
  const services = await timeOf(async () =>
    createAll('/api/v1/namespaces/default/services', names('service', load.services).map(service)),
  );
  const pods = await timeOf(async () => {
    const [client] = clients;
    const deployments = '/apis/apps/v1/namespaces/default/deployments';
    await create(client!, deployments, deployment(pauseImageOf(config)), signal);
    const allReady: Probe = async (attempt) => {
      const { body } = await client!(`${deployments}/many`, attempt);
      const ready = Number(at(parseJson(body), 'status', 'readyReplicas') ?? 0);
      if (ready !== load.pods) throw new Unhealthy(`${ready} of ${load.pods} pods are ready`);
    };
    await until(allReady, { timeoutMs, periodMs: 100, maxPeriodMs: 100, attemptTimeoutMs: 10_000 }, signal);
  });
  return { configMaps, services, pods, cpu: (await cpuMs()) - before };
}

async function timeOf(work: () => Promise<void>): Promise<number> {
  const startedAt = performance.now();
  await work();
  return performance.now() - startedAt;
}

async function create(client: ApiClient, path: string, object: object, signal: AbortSignal): Promise<void> {
  const { status, body } = await client(path, signal, object);
  if (status !== 201) throw new Error(`${path}: status ${status}: ${body}`);
}

function configMap(name: string): object {
  return { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name }, data: { key: 'value'.repeat(100) } };
}

function service(name: string): object {
  const spec = { selector: { app: name }, ports: [{ port: 80 }] };
  return { apiVersion: 'v1', kind: 'Service', metadata: { name }, spec };
}

function deployment(image: string): object {
  const labels = { app: 'many' };
  const containers = [{ name: 'pause', image, imagePullPolicy: 'Never' }];
  return {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name: 'many' },
    spec: {
      replicas: load.pods,
      selector: { matchLabels: labels },
      template: { metadata: { labels }, spec: { terminationGracePeriodSeconds: 0, containers } },
    },
  };
}

/** The processor time of the node so far, its pods included, in ms: of v1 (cpuacct.txt) or v2 (cgroup-v2.rst). */
async function cpuMs(): Promise<number> {
  for (const { root } of hierarchies()) {
    const group = join(root, nodeCgroup(nodeName));
    const v1 = await readFile(join(group, 'cpuacct.usage'), 'utf8').catch(() => undefined);
    if (v1 !== undefined) return Number(v1) / 1e6;
    const v2 = await readFile(join(group, 'cpu.stat'), 'utf8').catch(() => '');
    const [, usec] = /^usage_usec (\d+)$/m.exec(v2) ?? [];
    if (usec !== undefined) return Number(usec) / 1000;
  }
  throw new Error('no cgroup hierarchy counts processor time');
}
