import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { Unhealthy } from '../../probes/probe.ts';
import { until } from '../../probes/until.ts';
import type { NodeFile } from '../../src/instance/nodeFile.ts';
import { busyboxArchive, busyboxImage } from '../support/busybox.ts';
import { main } from '../support/cli.ts';
import { testBinaries } from '../support/installBinaries.ts';
import { startMachine } from '../support/machine.ts';
import type { Machine } from '../support/machine.ts';
import { TestNode } from '../support/testNode.ts';

const node = new TestNode('e2e-host');
let machine: Machine;
let running: ChildProcess;
let iptablesSave: string;
let before: string;

const web = {
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name: 'web' },
  spec: {
    terminationGracePeriodSeconds: 0,
    dnsPolicy: 'Default',
    containers: [
      {
        name: 'web',
        image: busyboxImage,
        command: ['sh', '-c', 'echo serving; exec httpd -f -p 80'],
        ports: [{ containerPort: 80, hostPort: 8080 }],
      },
    ],
  },
};

async function k8sSingle(command: string, ...args: string[]): Promise<string> {
  return machine.run(process.execPath, [main, ...node.args(command, ...args)]);
}

async function kubectl(...args: string[]): Promise<string> {
  return k8sSingle('kubectl', '--', ...args);
}

/** Brings the node up directly on the machine, at this address. */
async function up(address: string, ...options: string[]): Promise<void> {
  await machine.setAddress(address);
  const args = node.args('up', '--host', '--output', 'json', ...options);
  running = machine.start(process.execPath, [main, ...args]);
  const ready = async (): Promise<void> => {
    await k8sSingle('status').catch((error: unknown) => {
      throw new Unhealthy(String(error));
    });
  };
  await until(ready, { timeoutMs: 120_000, attemptTimeoutMs: 10_000 }, new AbortController().signal);
}

/** Sends a signal to the supervisor and resolves with its exit code. */
async function stop(signal: 'TERM' | 'KILL'): Promise<unknown> {
  const { pid } = JSON.parse(
    await machine.run('cat', [`/run/k8s-single/${node.name}/node.json`]),
  ) as NodeFile;
  const exited = once(running, 'exit');
  await machine.run('kill', ['-s', signal, String(pid)]);
  return (await exited)[0];
}

async function podIsReady(): Promise<void> {
  await kubectl('wait', '--for=condition=Ready', '--timeout=60s', 'pod/web');
}

/** The state that a node changes on a machine. Leaves out empty tables of packet filters, and limits that all nodes share. */
async function machineState(): Promise<string> {
  const commands = [
    `'${iptablesSave}' | grep '^-A\\|^:[A-Z0-9]*-' || true`,
    'ip -oneline link | cut -d: -f 2',
    'ip route show 10.0.0.0/24',
    'cut -d" " -f 3,5 /proc/self/mountinfo | sort',
    'cd /proc/sys; grep . kernel/panic vm/overcommit_memory net/ipv4/ip_forward net/ipv4/conf/all/route_localnet',
  ];
  return machine.run('sh', ['-c', commands.join('; ')]);
}

beforeAll(async () => {
  await node.remove();
  ({ 'iptables-save': iptablesSave } = await testBinaries('iptables-save'));
  machine = await startMachine();
  const images = join(node.dataDir, 'images');
  await mkdir(images, { recursive: true });
  await machine.run('cp', [await busyboxArchive(`${node.dataDir}/build`, busyboxImage), images]);
  before = await machineState();
});

afterAll(async () => {
  await machine[Symbol.asyncDispose]();
  await node.remove();
});

it('a node directly on the machine restores the state of the machine when it stops', async () => {
  await up('192.0.2.7');
  const apply = [main, ...node.args('kubectl', '--', 'apply', '-f', '-')];
  await machine.run(process.execPath, apply, JSON.stringify(web));
  await podIsReady();
  expect(await machineState()).toContain('cni0');
  // The machine has no default route, and its resolv.conf names 127.0.0.1.
  const connect = 'exec 3<>/dev/tcp/10.0.0.1/443 && echo reached';
  expect(await machine.run('bash', ['-c', connect])).toBe('reached');
  expect(await machine.run('ip', ['route', 'get', '10.0.0.99'])).toContain('dev lo src 192.0.2.7');
  expect(await kubectl('exec', 'web', '--', 'cat', '/etc/resolv.conf')).toBe('nameserver 192.0.2.7');
  expect(await stop('TERM')).toBe(0);
  expect(await machineState()).toBe(before);
});

/** The processes of the components, by their names, as `status` has them. */
async function components(): Promise<Record<string, { pid?: number; restarts: number }>> {
  const { components: all } = JSON.parse(await k8sSingle('status', '--output', 'json')) as {
    components: { name: string; pid?: number; restarts: number }[];
  };
  return Object.fromEntries(all.map(({ name, pid, restarts }) => [name, { ...(pid && { pid }), restarts }]));
}

async function webContainer(): Promise<string> {
  const path = '{.status.containerStatuses[0].containerID} {.status.containerStatuses[0].restartCount}';
  return kubectl('get', 'pod', 'web', '--output', `jsonpath=${path}`);
}

it('restarts at another address with its data, and the next up takes over what a killed supervisor has left', async () => {
  await up('192.0.2.8', '--publish', '18080:8080');
  await podIsReady();
  expect(await kubectl('logs', 'web')).toBe('serving');
  expect(await kubectl('get', 'endpoints', 'kubernetes', '--no-headers')).toContain('192.0.2.8:6443');
  expect(await kubectl('get', 'nodes', '--no-headers', '--output', 'wide')).toContain(' 192.0.2.8 ');
  const [processes, container] = [await components(), await webContainer()];
  await stop('KILL');
  const absent = machine.run(process.execPath, [main, ...node.args('status')]);
  await expect(absent).rejects.toThrow(
    `the supervisor of node ${node.name} was killed, and its components run on without one`,
  );
  await up('192.0.2.8', '--publish', '18080:8080');
  // Its ports were found to be free first.
  const { ports: _forwarder, ...others } = await components();
  expect({ ...others, ports: processes['ports'] }).toEqual(processes);
  expect(await machine.run('bash', ['-c', 'exec 3<>/dev/tcp/127.0.0.1/18080 && echo reached'])).toBe(
    'reached',
  );
  await podIsReady();
  expect(await webContainer()).toBe(container);
  expect(await kubectl('exec', 'web', '--', 'cat', '/etc/hostname')).toBe('web');
});

it('gets its cluster back from a snapshot, and goes on in the same process', async () => {
  const snapshot = async (...args: string[]): Promise<string> =>
    machine.run(process.execPath, [main, 'snapshot', ...args, '--name', node.name]);
  await snapshot('save', 'one');
  const revision = async (): Promise<number> =>
    Number(JSON.parse(await kubectl('get', '--raw', '/api/v1/nodes')).metadata.resourceVersion);
  await kubectl('create', 'configmap', 'later');
  const [old, seen] = [await components(), await revision()];
  await snapshot('restore', 'one');
  await k8sSingle('status');
  expect(await kubectl('get', 'configmaps', '--output', 'name')).not.toContain('later');
  expect(await revision()).toBeGreaterThan(seen);
  expect((await components())['etcd']).not.toEqual(old['etcd']);
  expect(running.exitCode).toBeNull();
  await podIsReady();
});

it('down restores the machine after the supervisor was killed', async () => {
  await stop('KILL');
  await k8sSingle('down');
  expect(await machineState()).toBe(before);
});
