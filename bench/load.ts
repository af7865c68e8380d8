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

/** The administrator's clients of an API server, one for each request at a time. */
export async function clientsAt(host: string, port: number, signal: AbortSignal): Promise<ApiClient[]> {
  const all = Array.from({ length: concurrency }, async () => adminClient({ host, port }, timeoutMs, signal));
  return Promise.all(all);
}

/** So many names that begin with it. */
export const names = (prefix: string, count: number): string[] =>
  Array.from({ length: count }, (_, index) => `${prefix}-${index}`);

/** Asks a node that is up for all that, one after the other. */
export async function measureLoad(config: NodeConfig, signal: AbortSignal): Promise<LoadTimes> {
  const address = await nodeAddress(timeoutMs, signal);
  const clients = await clientsAt(address, config.network.apiserverPort, signal);
  const before = await cpuMs();
  const configMaps = await timeOf(async () =>
    createAll(
      clients,
      '/api/v1/namespaces/default/configmaps',
      names('config', load.configMaps).map(configMap),
      signal,
    ),
  );
  const services = await timeOf(async () =>
    createAll(
      clients,
      '/api/v1/namespaces/default/services',
      names('service', load.services).map(service),
      signal,
    ),
  );
  const pods = await timeOf(async () => {
    const [client] = clients;
    const deployments = '/apis/apps/v1/namespaces/default/deployments';
    const many = deployment({ name: 'many', replicas: load.pods, image: pauseImageOf(config) });
    await create(client!, deployments, many, signal);
    const allReady: Probe = async (attempt) => {
      const { body } = await client!(`${deployments}/many`, attempt);
      const ready = Number(at(parseJson(body), 'status', 'readyReplicas') ?? 0);
      if (ready !== load.pods) throw new Unhealthy(`${ready} of ${load.pods} pods are ready`);
    };
    await until(allReady, { timeoutMs, periodMs: 100, maxPeriodMs: 100, attemptTimeoutMs: 10_000 }, signal);
  });
  return { configMaps, services, pods, cpu: (await cpuMs()) - before };
}

/** How long it takes, in ms. */
export async function timeOf(work: () => Promise<unknown>): Promise<number> {
  const startedAt = performance.now();
  await work();
  return performance.now() - startedAt;
}

/** Creates the objects, with as many requests at a time as there are clients. */
export async function createAll(
  clients: readonly ApiClient[],
  path: string,
  objects: readonly object[],
  signal: AbortSignal,
): Promise<void> {
  const rest = [...objects];
  const worker = async (client: ApiClient): Promise<void> => {
    for (let next = rest.pop(); next !== undefined; next = rest.pop())
      await create(client, path, next, signal);
  };
  await Promise.all(clients.map(worker));
}

/** Creates one object. @throws Error with the answer */
export async function create(
  client: ApiClient,
  path: string,
  object: object,
  signal: AbortSignal,
): Promise<void> {
  const { status, body } = await client(path, signal, object);
  if (status !== 201) throw new Error(`${path}: status ${status}: ${body}`);
}

/** One of 500 bytes. */
export function configMap(name: string): object {
  return { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name }, data: { key: 'value'.repeat(100) } };
}

function service(name: string): object {
  const spec = { selector: { app: name }, ports: [{ port: 80 }] };
  return { apiVersion: 'v1', kind: 'Service', metadata: { name }, spec };
}

interface Deployed {
  readonly name: string;
  readonly replicas: number;
  /** Default: the pause image of a node without a config. */
  readonly image?: string;
  /** The node to which its pods go if they can. */
  readonly prefersNode?: string;
  /** For how long pods stay on a node that is lost, in s. Default: that of Kubernetes, five minutes. */
  readonly toleratesLossS?: number;
}

/** A Deployment of pods that do nothing. */
export function deployment({ name, replicas, image, prefersNode, toleratesLossS }: Deployed): object {
  const labels = { app: name };
  const containers = [{ name: 'pause', image: image ?? pauseImageOf({}), imagePullPolicy: 'Never' }];
  const tolerations = ['not-ready', 'unreachable'].map((taint) => ({
    key: `node.kubernetes.io/${taint}`,
    operator: 'Exists',
    effect: 'NoExecute',
    tolerationSeconds: toleratesLossS,
  }));
  const expression = { key: 'kubernetes.io/hostname', operator: 'In', values: [prefersNode] };
  const preference = { weight: 100, preference: { matchExpressions: [expression] } };
  const spec = {
    terminationGracePeriodSeconds: 0,
    containers,
    ...(toleratesLossS !== undefined && { tolerations }),
    ...(prefersNode !== undefined && {
      affinity: { nodeAffinity: { preferredDuringSchedulingIgnoredDuringExecution: [preference] } },
    }),
  };
  return {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name },
    spec: { replicas, selector: { matchLabels: labels }, template: { metadata: { labels }, spec } },
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
