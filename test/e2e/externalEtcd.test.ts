import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { cp, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, onTestFailed } from 'vitest';
import { stringify, parse } from 'yaml';
import { Unhealthy } from '../../probes/probe.ts';
import { until } from '../../probes/until.ts';
import { hierarchies } from '../../src/host/cgroup/hierarchies.ts';
import { nodeCgroup } from '../../src/host/cgroup/nodeCgroup.ts';
import { hostAlias } from '../../src/sandbox/sandboxSpec.ts';
import { debianRoot } from '../config/debianRoot.ts';
import { main } from '../support/cli.ts';
import { blockIn } from '../support/docs.ts';
import { etcdCluster } from '../support/etcdCluster.ts';
import type { EtcdCluster } from '../support/etcdCluster.ts';
import { startOutside } from '../support/outside.ts';
import type { Outside } from '../support/outside.ts';

// Two nodes on a machine of their own, which has an etcd of three members: see support/outside.ts.

const page = 'docs/etcd.md';
const names = ['e2e-etcd-1', 'e2e-etcd-2'] as const;
type Name = (typeof names)[number];
const [first, second] = names;
/** The name of the load balancer, as in the page. */
const front = 'kubernetes.example';
const controllers = ['kube-controller-manager', 'kube-scheduler'] as const;

let folder = '';
let outside: Outside;
let etcd: EtcdCluster;
let loadBalancer: ChildProcess | undefined;

interface Status {
  readonly ready: boolean;
  readonly components: readonly {
    readonly name: string;
    readonly state: string;
    readonly reason: string | null;
    readonly pid: number | null;
    readonly restarts: number;
  }[];
}

const dataOf = (name: Name): string => join(folder, name);

async function command(name: Name, word: string, ...args: string[]) {
  return outside.run([process.execPath, main, ...word.split(' '), '--name', name, ...args], {
    env: { K8S_SINGLE_EGRESS: 'none' },
    stdin: 'ignore',
  });
}

async function succeed(name: Name, word: string, ...args: string[]): Promise<string> {
  const { exitCode, all } = await command(name, word, ...args);
  expect(exitCode, `${word}: ${all}`).toBe(0);
  return all;
}

const kubectl = async (name: Name, ...args: string[]): Promise<string> =>
  succeed(name, 'kubectl', '--', ...args);

/** Writes the config of a node, as the page shows it, and starts it. */
async function up(name: Name, more: object = {}) {
  const shown = parse(await blockIn(page, 'One node', 'yml')) as { etcd: { endpoints: string[] } };
  const { ports, caFile, certFile, keyFile } = etcd;
  const endpoints = shown.etcd.endpoints.map((_, index) => `https://${hostAlias}:${ports[index]}`);
  const config = { ...more, etcd: { ...shown.etcd, endpoints, caFile, certFile, keyFile } };
  const file = join(folder, `${name}.yaml`);
  await writeFile(file, stringify(config));
  return command(name, 'up', '--detach', '--output', 'plain', '--data-dir', dataOf(name), '--config', file);
}

async function status(name: Name): Promise<Status> {
  return JSON.parse((await command(name, 'status', '--output', 'json')).all) as Status;
}

async function component(name: Name, of: string) {
  return (await status(name)).components.find((each) => each.name === of);
}

async function eventually(look: () => Promise<void>, timeoutMs = 60_000): Promise<void> {
  await until(look, { timeoutMs, attemptTimeoutMs: 60_000 }, new AbortController().signal);
}

async function becomesReady(name: Name): Promise<void> {
  await eventually(async () => {
    const { exitCode, all } = await command(name, 'status');
    if (exitCode !== 0) throw new Unhealthy(all);
  });
}

async function holderOf(lease: string, via: Name): Promise<string> {
  return kubectl(via, 'get', 'lease', lease, '-n', 'kube-system', '-o', 'jsonpath={.spec.holderIdentity}');
}

/** A pod on a node with a claim of the default class. */
function claimOn(node: string): string {
  const claim = {
    apiVersion: 'v1',
    kind: 'PersistentVolumeClaim',
    metadata: { name: 'data' },
    spec: { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '1Mi' } } },
  };
  const container = {
    name: 'pause',
    image: 'k8s-single.local/pause:1',
    volumeMounts: [{ name: 'data', mountPath: '/data' }],
  };
  const pod = {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: 'writer' },
    spec: {
      nodeSelector: { 'kubernetes.io/hostname': node },
      containers: [container],
      volumes: [{ name: 'data', persistentVolumeClaim: { claimName: 'data' } }],
    },
  };
  return JSON.stringify({ apiVersion: 'v1', kind: 'List', items: [claim, pod] });
}

beforeAll(async () => {
  folder = await mkdtemp('/var/tmp/k8s-single-e2e-etcd-');
  outside = await startOutside();
  const place = { dir: join(folder, 'etcd'), host: hostAlias, ports: [12_379, 22_379, 32_379] };
  etcd = await etcdCluster({ ...place, enter: outside.enter.machine });
  etcd.start(0, 1, 2);
});

afterAll(async () => {
  for (const name of names) await command(name, 'down', '--purge', '--data-dir', dataOf(name));
  if (loadBalancer !== undefined) {
    loadBalancer.kill('SIGKILL');
    await once(loadBalancer, 'exit');
  }
  await etcd[Symbol.asyncDispose]();
  await outside[Symbol.asyncDispose]();
  await rm(folder, { recursive: true, force: true });
});

describe('a node with an etcd of others', () => {
  it('starts, and has no etcd of its own', async () => {
    const network = { server: `https://${front}:6443`, podCidr: '10.244.1.0/24' };
    const { exitCode, all } = await up(first, { nodeName: 'first', network });
    expect(exitCode, all).toBe(0);
    const { components } = await status(first);
    const parts = components.map(({ name }) => name).filter((name) => /etcd|initial/.test(name));
    expect(parts.toSorted()).toEqual(['etcd', 'etcd-members']);
    expect(existsSync(join(dataOf(first), 'etcd/member'))).toBe(false);
    await kubectl(first, 'create', 'configmap', 'before');
    await becomesReady(first);
  });

  it('refuses snapshots', async () => {
    for (const word of ['snapshot save', 'snapshot restore x']) {
      const { exitCode, all } = await command(first, word);
      expect(exitCode).toBe(2);
      expect(all).toContain(`the cluster of node ${first} is in an etcd of others`);
      expect(all).toContain('etcdctl snapshot save');
    }
  });

  it('does without one member, and says which', async () => {
    await etcd.kill(2);
    await eventually(async () => {
      const { reason = '' } = (await component(first, 'etcd-members')) ?? {};
      expect(reason).toBe(`1 of 3 away: connection refused on ${hostAlias}:32379`);
    });
    await kubectl(first, 'create', 'configmap', 'with-two');
    await succeed(first, 'status');
    await succeed(first, 'healthcheck');
  });

  it('says why it cannot write without a quorum, restarts nothing for it, and goes on when the members are back', async () => {
    const before = await status(first);
    await etcd.kill(1);
    // Whatever fails: the tests that follow need them.
    onTestFailed(() => etcd.start(1, 2));
    await eventually(async () => {
      const { state, reason } = (await component(first, 'etcd'))!;
      if (state === 'ready') throw new Unhealthy('etcd is ready');
      expect(reason).toMatch(
        /^no member of etcd takes writes: .*host.k8s-single.internal:12379: etcd is not healthy.*; connection refused on .*:22379; connection refused on .*:32379$/,
      );
    });
    const failed = await command(first, 'kubectl', '--', 'create', 'configmap', 'without');
    expect(failed.exitCode).not.toBe(0);
    expect(failed.all).toMatch(/context deadline exceeded|etcdserver: /);
    expect((await command(first, 'kubectl', '--', 'get', '--raw', '/readyz')).all).toContain(
      '[-]etcd failed',
    );
    const health = await command(first, 'healthcheck');
    expect(health.exitCode).toBe(1);
    expect(health.all).toContain('no member of etcd takes writes');
    // They end when they cannot renew their leases, and wait.
    await eventually(async () => {
      for (const name of ['controller-manager', 'scheduler'])
        expect(await component(first, name)).toMatchObject({ state: 'waiting' });
    });

    etcd.start(1, 2);
    await becomesReady(first);
    await kubectl(first, 'create', 'configmap', 'after');
    const after = await status(first);
    for (const { name, pid, restarts } of before.components) {
      const isElected = ['controller-manager', 'scheduler'].includes(name);
      const now = after.components.find((each) => each.name === name);
      if (isElected) expect(now, name).toMatchObject({ restarts: restarts + 1 });
      else expect(now, name).toMatchObject({ pid, restarts });
    }
  });

  it('finds its cluster again after down and up', async () => {
    await succeed(first, 'down', '--data-dir', dataOf(first));
    const network = { server: `https://${front}:6443`, podCidr: '10.244.1.0/24' };
    const { exitCode, all } = await up(first, { nodeName: 'first', network });
    expect(exitCode, all).toBe(0);
    expect(await kubectl(first, 'get', 'configmaps', '-o', 'name')).toContain('configmap/before');
  });
});

describe('two control planes', () => {
  const settings = {
    nodeName: 'second',
    network: { server: `https://${front}:6443`, podCidr: '10.244.2.0/24' },
  };

  it('have the same keys: without, the second one is refused', async () => {
    const { exitCode, all } = await up(second, settings);
    expect(exitCode).toBe(3);
    expect(all).toContain('the cluster in this etcd has another CA than');
  });

  it('have names and ranges of their own: without, the second one is refused', async () => {
    await rm(join(dataOf(second), 'pki'), { recursive: true });
    await mkdir(dataOf(second), { recursive: true, mode: 0o700 });
    await cp(join(dataOf(first), 'pki'), join(dataOf(second), 'pki'), {
      recursive: true,
      preserveTimestamps: true,
    });
    const { network } = settings;
    // The address of its DNS server, too, stays that of the first.
    const slices = await kubectl(first, 'get', 'endpointslices', '-n', 'kube-system', '-o', 'yaml');
    const sameName = await up(second, { ...settings, nodeName: 'first' });
    expect([sameName.exitCode, sameName.all]).toEqual([
      3,
      expect.stringContaining('the cluster has a node first already, on another machine'),
    ]);
    const overlapping = { ...settings, network: { ...network, podCidr: '10.244.0.0/16' } };
    const sameRange = await up(second, overlapping);
    expect([sameRange.exitCode, sameRange.all]).toEqual([
      3,
      expect.stringContaining('network.podCidr 10.244.0.0/16 overlaps that of node first, 10.244.1.0/24'),
    ]);
    expect(await kubectl(first, 'get', 'nodes', '-o', 'name')).toBe('node/first');
    expect(await kubectl(first, 'get', 'endpointslices', '-n', 'kube-system', '-o', 'yaml')).toBe(slices);
    await succeed(first, 'status');
  });

  it('have one cluster, and one leader for each controller', async () => {
    const { exitCode, all } = await up(second, settings);
    expect(exitCode, all).toBe(0);
    await becomesReady(first);
    const nodes = await kubectl(second, 'get', 'nodes', '-o', 'name');
    expect(nodes.trim().split('\n')).toEqual(['node/first', 'node/second']);
    for (const name of names)
      expect((await succeed(name, 'status')).match(/^(?:first|second) +ready +v/gm)).toHaveLength(2);
    await kubectl(second, 'create', 'configmap', 'by-the-second');
    expect(await kubectl(first, 'get', 'configmaps', '-o', 'name')).toContain('configmap/by-the-second');
    const path = '{.subsets[0].addresses[*].ip}';
    const endpoints = await kubectl(first, 'get', 'endpoints', 'kubernetes', '-o', `jsonpath=${path}`);
    expect(endpoints.split(' ')).toHaveLength(2);
    for (const controller of controllers) {
      expect(await holderOf(controller, second)).toMatch(/^first_/);
      const log = join(dataOf(second), `log/${controller.replace('kube-', '')}.log`);
      expect(readFileSync(log, 'utf8')).not.toContain('successfully acquired lease');
    }
  });

  it('have volumes each, of one class', async () => {
    const hosts = 'jsonpath={.allowedTopologies[*].matchLabelExpressions[*].values}';
    await eventually(async () => {
      const found = await kubectl(first, 'get', 'storageclass/k8s-single', '-o', hosts);
      if (found.trim() !== '["first","second"]') throw new Unhealthy(found);
    });
    const version = async (): Promise<string> =>
      kubectl(first, 'get', 'storageclass/k8s-single', '-o', 'jsonpath={.metadata.resourceVersion}');
    const before = await version();
    const file = join(folder, 'claim.yaml');
    await writeFile(file, claimOn('second'));
    await kubectl(first, 'apply', '-f', file);
    await kubectl(first, 'wait', '--for=condition=Ready', '--timeout=60s', 'pod/writer');
    const node =
      'jsonpath={.items[*].spec.nodeAffinity.required.nodeSelectorTerms[*].matchExpressions[*].values}';
    expect(await kubectl(first, 'get', 'pv', '-o', node)).toContain('["second"]');
    expect(await kubectl(first, 'get', 'events')).not.toContain('ProvisioningFailed');
    await kubectl(first, 'delete', '-f', file, '--now');
    await eventually(async () => {
      const left = (await kubectl(first, 'get', 'pv', '-o', 'name')).trim();
      if (left !== '' && left !== 'No resources found') throw new Unhealthy(left);
    });
    // Neither has taken the class for its own.
    expect(await version()).toBe(before);
  });

  it('are reached through a load balancer', async () => {
    const { root, env } = await debianRoot(['haproxy']);
    const addresses = new Map<string, string>();
    for (const name of ['first', 'second']) {
      const path = 'jsonpath={.status.addresses[?(@.type=="InternalIP")].address}';
      addresses.set(name, await kubectl(first, 'get', 'node', name, '-o', path));
    }
    const config = (await blockIn(page, 'Two control planes', 'cfg')).replaceAll(
      /server (first|second) [\d.]+/g,
      (_, name: string) => `server ${name} ${addresses.get(name)}`,
    );
    const file = join(folder, 'haproxy.cfg');
    await writeFile(file, config);
    const haproxy = join(root, 'usr/sbin/haproxy');
    const [nsenter, ...rest] = [...outside.enter.machine, haproxy, '-f', file];
    loadBalancer = spawn(nsenter, rest, { stdio: 'ignore', env: { ...process.env, ...env } });
    await outside.run(['sh', '-c', `echo 127.0.0.1 ${front} >> /etc/hosts`]);
    const kubeconfig = await succeed(second, 'kubeconfig');
    expect(kubeconfig).toContain(`server: https://${front}:6443`);
    await writeFile(join(folder, 'kubeconfig'), kubeconfig, { mode: 0o600 });
    await eventually(async () => throughLoadBalancer('create', 'configmap', 'through'));
    for (const name of names)
      expect(await kubectl(name, 'get', 'configmaps', '-o', 'name')).toContain('configmap/through');
  });

  it('go on as one when the node of the leaders dies', async () => {
    await killNode(first);
    const killedAt = performance.now();
    await eventually(async () => {
      for (const controller of controllers) expect(await holderOf(controller, second)).toMatch(/^second_/);
    });
    expect(performance.now() - killedAt).toBeLessThan(30_000);
    await throughLoadBalancer('create', 'configmap', 'after-the-loss');
    await throughLoadBalancer('create', 'serviceaccount', 'new');
    await becomesReady(second);
    // The controller manager of the second node is at work.
    const path = 'jsonpath={.secrets[0].name}';
    await eventually(async () => {
      const secret = await kubectl(second, 'get', 'serviceaccount', 'new', '-o', path);
      if (!secret.startsWith('new-token-')) throw new Unhealthy('no token yet');
    });
  });

  it('have a lost one back with new data, when its old kubelet is silent', async () => {
    await rm(join(dataOf(first), 'node-id'));
    const network = { server: `https://${front}:6443`, podCidr: '10.244.1.0/24' };
    const { exitCode, all } = await up(first, { nodeName: 'first', network });
    expect(exitCode, all).toBe(0);
    await becomesReady(first);
    const path = 'jsonpath={.metadata.annotations.k8s-single/node-id}';
    const id = (await readFile(join(dataOf(first), 'node-id'), 'utf8')).trim();
    expect(await kubectl(second, 'get', 'node', 'first', '-o', path)).toBe(id);
    expect((await succeed(second, 'status')).match(/^(?:first|second) +ready +v/gm)).toHaveLength(2);
  });
});

async function throughLoadBalancer(...args: string[]): Promise<void> {
  const { kubectl: file } = JSON.parse(
    (await outside.run(['cat', `/run/k8s-single/${second}/node.json`])).all,
  ) as { kubectl: string };
  const { exitCode, all } = await outside.run([file, '--kubeconfig', join(folder, 'kubeconfig'), ...args]);
  if (exitCode !== 0) throw new Unhealthy(all);
}

/** As the loss of a machine: every process of the node at once. */
async function killNode(name: Name): Promise<void> {
  const [hierarchy] = hierarchies();
  const group = join(hierarchy!.root, nodeCgroup(name), 'supervisor/cgroup.procs');
  for (const pid of readFileSync(group, 'utf8').trim().split('\n')) process.kill(Number(pid), 'SIGKILL');
}
