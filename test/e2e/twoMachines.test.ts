import { cp, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { stringify } from 'yaml';
import { Unhealthy } from '../../probes/probe.ts';
import { until } from '../../probes/until.ts';
import { busyboxArchive, busyboxImage } from '../support/busybox.ts';
import { main } from '../support/cli.ts';
import { etcdCluster } from '../support/etcdCluster.ts';
import type { EtcdCluster } from '../support/etcdCluster.ts';
import { connectMachines, startMachine } from '../support/machine.ts';
import type { Machine } from '../support/machine.ts';

// Two nodes without a sandbox, each on a machine of its own, whose interfaces are connected to each other and to nothing else.

const names = ['e2e-two-1', 'e2e-two-2'] as const;
const addresses = ['192.0.2.11', '192.0.2.12'] as const;
const ranges = ['10.244.1.0/24', '10.244.2.0/24'] as const;
let folder = '';
let machines: readonly Machine[] = [];
let etcd: EtcdCluster;

const dataOf = (index: number): string => join(folder, names[index]!);

async function k8sSingle(index: number, word: string, ...args: string[]): Promise<string> {
  return machines[index]!.run(process.execPath, [main, word, '--name', names[index]!, ...args]);
}

const kubectl = async (index: number, ...args: string[]): Promise<string> =>
  k8sSingle(index, 'kubectl', '--', ...args);

async function up(index: number): Promise<void> {
  const { ports, caFile, certFile, keyFile } = etcd;
  const endpoints = ports.map((port) => `https://etcd.example:${port}`);
  const config = {
    nodeName: `node-${index + 1}`,
    network: { podCidr: ranges[index] },
    etcd: { endpoints, caFile, certFile, keyFile },
  };
  const file = join(folder, `${names[index]}.yaml`);
  await writeFile(file, stringify(config));
  const options = ['--host', '--output', 'plain', '--data-dir', dataOf(index), '--config', file];
  const child = machines[index]!.start(process.execPath, [main, 'up', '--name', names[index]!, ...options]);
  const ended = new Promise<never>((_, reject) =>
    child.once('exit', (code) => reject(new Error(`up exited with ${code}`))),
  );
  ended.catch(() => undefined);
  await Promise.race([ended, eventually(async () => void (await k8sSingle(index, 'status')), 120_000)]);
}

async function eventually(look: () => Promise<void>, timeoutMs = 60_000): Promise<void> {
  await until(look, { timeoutMs, attemptTimeoutMs: 60_000 }, new AbortController().signal);
}

beforeAll(async () => {
  folder = await mkdtemp('/var/tmp/k8s-single-e2e-two-');
  machines = await Promise.all([startMachine(), startMachine()]);
  const [first, second] = machines.map(({ pid }) => pid);
  await connectMachines(first!, second!);
  for (const [index, machine] of machines.entries()) {
    await machine.setAddress(addresses[index]!);
    await machine.run('sh', ['-c', `echo ${addresses[0]} etcd.example >> /etc/hosts`]);
    await mkdir(join(dataOf(index), 'images'), { recursive: true, mode: 0o700 });
    await cp(
      await busyboxArchive(join(folder, `build-${index}`), busyboxImage),
      join(dataOf(index), 'images/busybox.tar'),
    );
  }
  etcd = await etcdCluster({
    dir: join(folder, 'etcd'),
    host: 'etcd.example',
    ports: [12_379],
    enter: ['nsenter', '--target', first!, '--net'],
  });
  etcd.start(0);
});

afterAll(async () => {
  for (const index of [0, 1])
    await k8sSingle(index, 'down', '--data-dir', dataOf(index)).catch(() => undefined);
  await etcd[Symbol.asyncDispose]();
  for (const machine of machines) await machine[Symbol.asyncDispose]();
  await rm(folder, { recursive: true, force: true });
});

it('pods of both nodes reach both API servers, the DNS and each other', async () => {
  await up(0);
  await cp(join(dataOf(0), 'pki'), join(dataOf(1), 'pki'), { recursive: true });
  await up(1);
  for (const index of [0, 1])
    await machines[index]!.run('ip', ['route', 'add', ranges[1 - index]!, 'via', addresses[1 - index]!]);
  const pods = [0, 1].map((index) => ({
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: `pod-${index + 1}`, labels: { app: 'web' } },
    spec: {
      nodeName: `node-${index + 1}`,
      terminationGracePeriodSeconds: 0,
      containers: [
        { name: 'web', image: busyboxImage, command: ['sh', '-c', 'echo serving; exec httpd -f -p 80'] },
      ],
    },
  }));
  const service = {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name: 'web' },
    spec: { selector: { app: 'web' }, ports: [{ port: 80 }] },
  };
  const list = JSON.stringify({ apiVersion: 'v1', kind: 'List', items: [...pods, service] });
  await machines[0]!.run(
    process.execPath,
    [main, 'kubectl', '--name', names[0], '--', 'apply', '-f', '-'],
    list,
  );
  await eventually(async () => {
    const phases = await kubectl(1, 'get', 'pods', '-o', 'jsonpath={.items[*].status.phase}');
    if (phases !== 'Running Running') throw new Unhealthy(phases);
  });
  const ips = (await kubectl(0, 'get', 'pods', '-o', 'jsonpath={.items[*].status.podIP}')).split(' ');
  for (const index of [0, 1]) {
    expect(await kubectl(index, 'logs', `pod-${2 - index}`)).toBe('serving');
    // Each address and each server behind a Service is chosen in half of the cases.
    const allOf = async (script: string): Promise<void> => {
      const loop = `for i in 1 2 3 4 5 6 7 8 9 10; do ${script} || exit 1; done`;
      await kubectl(index, 'exec', `pod-${index + 1}`, '--', 'sh', '-c', loop);
    };
    await allOf('busybox nc -w 2 10.0.0.1 443 < /dev/null');
    await allOf('busybox nslookup web.default.svc.cluster.local > /dev/null');
    await allOf(`busybox nc -w 2 ${ips[1 - index]} 80 < /dev/null`);
    await allOf('busybox nc -w 2 web.default.svc.cluster.local 80 < /dev/null');
  }
});
