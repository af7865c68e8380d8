import { X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { cp, mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { ChildProcess } from 'node:child_process';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { debianRoot } from '../config/debianRoot.ts';
import { busyboxArchive, busyboxImage } from '../support/busybox.ts';
import { cli, main } from '../support/cli.ts';
import { testBinaries } from '../support/installBinaries.ts';
import { connectMachines, startMachine } from '../support/machine.ts';
import type { Machine } from '../support/machine.ts';
import { TestNode } from '../support/testNode.ts';
import { eventually, fetchFrom, webPod, webService } from '../support/webPods.ts';

/** Two machines with a cable between them: a control plane on the one, a worker on the other. */
const nodes = { control: new TestNode('e2e-join-control'), worker: new TestNode('e2e-join-worker') };
const addresses = { control: '192.0.2.10', worker: '192.0.2.11' };
const server = `https://${addresses.control}:6443`;
type Which = keyof typeof nodes;

let machines: Record<Which, Machine>;
const running: Partial<Record<Which, ChildProcess>> = {};

async function k8sSingle(on: Which, command: string, ...args: string[]): Promise<string> {
  return machines[on].run(process.execPath, [main, ...nodes[on].args(command, ...args)]);
}

async function kubectl(...args: string[]): Promise<string> {
  return k8sSingle('control', 'kubectl', '--', ...args);
}

async function apply(...items: object[]): Promise<void> {
  const args = [main, ...nodes.control.args('kubectl', '--', 'apply', '-f', '-')];
  const list = JSON.stringify({ apiVersion: 'v1', kind: 'List', items });
  await machines.control.run(process.execPath, args, list);
}

/** Starts a node directly on its machine, and waits until it is ready. */
async function up(on: Which, ...args: string[]): Promise<void> {
  const child = machines[on].start(process.execPath, [
    main,
    ...nodes[on].args('up', '--host', '--output', 'json', ...args),
  ]);
  running[on] = child;
  let hasEnded = false;
  child.once('exit', () => (hasEnded = true));
  await eventually('ready', async () => {
    if (hasEnded) throw new Error('the node has ended');
    return k8sSingle(on, 'status');
  });
}

async function token(command: string, ...args: string[]): Promise<string> {
  const { name } = nodes.control;
  return machines.control.run(process.execPath, [main, 'token', command, '--name', name, ...args]);
}

/** The token in the command that `token create` prints. */
async function newToken(...args: string[]): Promise<string> {
  const command = await token('create', ...args);
  expect(command).toMatch(
    /^k8s-single up --host --join https:\/\/192\.0\.2\.10:6443 --token [a-z0-9]{6}\.[a-z0-9]{16}@sha256:[0-9a-f]{64}$/u,
  );
  return command.split(' ').at(-1)!;
}

async function endSupervisor(on: Which, signal: 'KILL' | 'TERM'): Promise<void> {
  const exited = once(running[on]!, 'exit');
  const file = `/run/k8s-single/${nodes[on].name}/node.json`;
  const { pid } = JSON.parse(await machines[on].run('cat', [file])) as { pid: number };
  await machines[on].run('kill', ['-s', signal, String(pid)]);
  await exited;
}

/** What `up` of the worker says when it refuses to join. */
async function refusal(...args: string[]): Promise<string> {
  const joining = k8sSingle('worker', 'up', '--host', '--join', server, ...args);
  return joining.then(
    () => 'it has joined',
    (error: unknown) => String(error),
  );
}

/** Puts the image of the pods where a node finds it. */
async function giveImage(dataDir: string, folder = 'build'): Promise<void> {
  const images = join(dataDir, 'images');
  await mkdir(images, { recursive: true });
  await cp(await busyboxArchive(join(dataDir, folder), busyboxImage), join(images, 'busybox.tar'));
}

beforeAll(async () => {
  for (const node of Object.values(nodes)) await node.remove();
  machines = { control: await startMachine(), worker: await startMachine() };
  await connectMachines(machines.control.pid, machines.worker.pid);
  for (const which of ['control', 'worker'] as const) {
    const { dataDir } = nodes[which];
    await machines[which].setAddress(addresses[which]);
    await machines[which].run('hostname', [which]);
    await giveImage(dataDir);
  }
  await up('control');
});

afterAll(async () => {
  for (const machine of Object.values(machines)) await machine[Symbol.asyncDispose]();
  for (const node of Object.values(nodes)) await node.remove();
});

describe('a machine does not join', () => {
  it('without a token, and sends none to a server with another CA', async () => {
    expect(await refusal()).toContain('a worker needs a token to join');
    const [secret] = (await newToken()).split('@');
    const other = `${secret}@sha256:${'0'.repeat(64)}`;
    expect(await refusal('--token', other)).toContain('nothing was sent to it');
  });

  it('with a token that was removed, or has expired', async () => {
    const removed = await newToken('--description', 'for nobody');
    const [id] = removed.split('.');
    expect(await token('ls')).toMatch(new RegExp(`^${id}  for (24h|23h59m\\S*) +for nobody$`, 'm'));
    await token('rm', id!);
    expect(await token('ls')).not.toContain(id);
    expect(await refusal('--token', removed)).toContain(
      `refuses the token ${id}: it is unknown there, or has expired`,
    );
    const short = await newToken('--ttl', '1s');
    const isValid = new RegExp(`^${short.split('.')[0]}  for `, 'm');
    await eventually('expired', async () =>
      (await token('ls')).match(isValid) === null ? 'expired' : 'valid',
    );
    expect(await refusal('--token', short)).toContain('has expired');
  });

  it('if it cannot reach the API server, or has a network in the range of the pods', async () => {
    const valid = await newToken();
    const away = await refusal('--join', 'https://192.0.2.99:6443', '--token', valid);
    expect(away).toContain('the API server https://192.0.2.99:6443 cannot be reached');
    const link = async (...args: string[]): Promise<string> => machines.worker.run('ip', args);
    await link('link', 'add', 'lan', 'type', 'veth', 'peer', 'name', 'other-end');
    await link('address', 'add', '10.244.7.1/24', 'dev', 'lan');
    for (const end of ['lan', 'other-end']) await link('link', 'set', end, 'up');
    const said = await refusal('--token', valid);
    await link('link', 'delete', 'lan');
    expect(said).toContain(
      'network.clusterCidr 10.244.0.0/16 of the cluster overlaps the route 10.244.7.0/24 dev lan',
    );
    expect(said).toContain('in the config of its control plane');
  });

  it('if its clock is another one', async () => {
    const { root } = await debianRoot(['libfaketime']);
    const [triplet] = await readdir(join(root, 'usr/lib'));
    const library = join(root, 'usr/lib', triplet!, 'faketime/libfaketime.so.1');
    const valid = await newToken();
    const joins = ['--join', server, '--token', valid];
    for (const [shift, options, message] of [
      ['+10m', joins, `the clock of this machine is 10m ahead of that of ${server}`],
      ['-10m', joins, 'certificate is not yet valid, by the clock of this machine: '],
      // A control plane makes a CA.
      ['-3y', [], 'certificates made now would be expired once it is set'],
    ] as const) {
      const env = [`LD_PRELOAD=${library}`, `FAKETIME=${shift}`, 'FAKETIME_DONT_FAKE_MONOTONIC=1'];
      const args = nodes.worker.args('up', '--host', ...options);
      const joining = machines.worker.run('env', [...env, process.execPath, main, ...args]);
      await expect(joining, shift).rejects.toThrow(message);
    }
  });

  it('with a kubelet that is newer than the cluster', async () => {
    const dir = join(nodes.worker.dataDir, 'build/new');
    await mkdir(dir, { recursive: true });
    const control = ['apiserver', 'controller-manager', 'scheduler'].map((each) => `kube-${each}`);
    for (const program of ['kubelet', 'kube-proxy', ...control])
      await writeFile(join(dir, program), '#!/bin/sh\necho Kubernetes v1.21.3\n', { mode: 0o755 });
    const said = await refusal(
      '--token',
      await newToken(),
      '--bin-dir',
      dir,
      '--kubernetes',
      '1.21',
      '--no-install',
    );
    expect(said).toContain('a kubelet of 1.21.3 is too new for the cluster, which has Kubernetes 1.20.2');
  });

  it('and leaves nothing half-joined on either side', async () => {
    expect(await kubectl('get', 'nodes,csr', '--output', 'name')).toBe('node/k8s-single');
    const left = await readdir(nodes.worker.dataDir);
    expect(left.filter((name) => ['cluster.json', 'join-token', 'pki'].includes(name))).toEqual([]);
  });

  it('in namespaces of its own', async () => {
    const { exitCode, stderr } = await cli(nodes.worker.args('up', '--join', server));
    expect([exitCode, stderr]).toEqual([2, expect.stringContaining('add --host')]);
  });

  it('by a name, as it has no namespaces of its own', async () => {
    expect(await refusal('--join', nodes.control.name)).toContain('nodes join by name only in namespaces');
  });
});

describe('a worker', () => {
  it('joins with a token, and is a node of the cluster', async () => {
    await up('worker', '--join', server, '--token', await newToken());
    const list = await kubectl('get', 'nodes', '--no-headers');
    expect(list).toMatch(/^k8s-single +Ready /mu);
    expect(list).toMatch(/^worker +Ready /mu);
    expect(await k8sSingle('control', 'status')).toMatch(
      /^worker +ready +v1\.20\.2 +192\.0\.2\.11 +10\.244\.1\.0\/24$/mu,
    );
    const listed = await machines.worker.run(process.execPath, [main, 'ls']);
    expect(listed).toMatch(/^e2e-join-worker +running +worker +192\.0\.2\.11 /mu);
    expect(listed).not.toContain('e2e-join-control');
  });

  it('runs pods, whose logs are read and in which commands run', async () => {
    await apply(webPod('here', 'k8s-single', { app: 'here' }), webPod('there', 'worker', { app: 'there' }));
    await kubectl('wait', '--for=condition=Ready', '--timeout=60s', 'pod/here', 'pod/there');
    expect(await eventually('serving', async () => kubectl('logs', 'there'))).toContain('serving');
    expect(await eventually('there', async () => kubectl('exec', 'there', '--', 'cat', 'index.html'))).toBe(
      'there',
    );
  });

  it('reaches pods and Services of other nodes by their names, and is reached', async () => {
    await apply(webService('here'), webService('there'));
    await eventually('there', async () => fetchFrom(kubectl, 'here', 'there'));
    await eventually('here', async () => fetchFrom(kubectl, 'there', 'here'));
    // Nothing between nodes hides the address of a pod.
    const address = await kubectl('get', 'pod', 'there', '--output', 'jsonpath={.status.podIP}');
    expect(await kubectl('logs', 'here')).toContain(address);
  });

  it('may delete its own node and no other, and reads no Secrets', async () => {
    const { kubectl: program } = await testBinaries('kubectl');
    const asWorker = async (...args: string[]): Promise<string> =>
      machines.worker
        .run(program, ['--kubeconfig', join(nodes.worker.dataDir, 'kubeconfig/kubelet.conf'), ...args])
        .catch(String);
    expect(await asWorker('auth', 'can-i', 'get', 'nodes')).toBe('yes');
    expect(await asWorker('delete', 'node', 'k8s-single')).toContain(
      'is not allowed to modify node "k8s-single"',
    );
    expect(await asWorker('get', 'secrets', '--all-namespaces')).toContain('is forbidden');
    expect(await asWorker('get', 'persistentvolumes')).toContain('is forbidden');
  });

  it('takes over its components and pods when its supervisor was killed', async () => {
    const container = [
      'get',
      'pod',
      'there',
      '--output',
      'jsonpath={.status.containerStatuses[0].containerID}',
    ];
    const before = await kubectl(...container);
    await endSupervisor('worker', 'KILL');
    await up('worker');
    expect(await kubectl(...container)).toBe(before);
    expect(JSON.parse(await k8sSingle('worker', 'status', '--output', 'json'))).toMatchObject({
      components: expect.arrayContaining([expect.objectContaining({ name: 'kubelet', restarts: 0 })]),
    });
    await eventually('here', async () => fetchFrom(kubectl, 'there', 'here'));
  });

  it('starts again without a token, and keeps its range', async () => {
    // It stays cordoned, which is as its user wants it, and is ready.
    await kubectl('cordon', 'worker');
    await endSupervisor('worker', 'TERM');
    expect(await machines.worker.run('ip', ['route', 'show', 'proto', '93'])).toBe('');
    await up('worker');
    expect(await kubectl('get', 'nodes', '--no-headers')).toMatch(/^worker +Ready,SchedulingDisabled /m);
    await kubectl('uncordon', 'worker');
    expect(await machines.worker.run('ip', ['route', 'show', 'proto', '93'])).toContain(
      `10.244.0.0/24 via ${addresses.control}`,
    );
    expect(await kubectl('get', 'node', 'worker', '--output', 'jsonpath={.spec.podCIDR}')).toBe(
      '10.244.1.0/24',
    );
  });

  it('follows its control plane to another address, and to no other server', async () => {
    for (const which of ['worker', 'control'] as const) await endSupervisor(which, 'TERM');
    await machines.control.setAddress('192.0.2.20');
    await up('control');
    // The one does not answer, and may only start later; the other has the CA of the cluster, but is a kubelet.
    expect(await refusal('--join', 'https://192.0.2.11:6443')).toContain('cannot be asked: ');
    const kubelet = 'https://192.0.2.20:10250';
    expect(await refusal('--join', kubelet)).toContain(`is a worker of ${server}, not of ${kubelet}: `);
    await up('worker', '--join', 'https://192.0.2.20:6443');
    expect(await kubectl('get', 'nodes', '--no-headers')).toMatch(/^worker +Ready /m);
    await eventually('here', async () => fetchFrom(kubectl, 'there', 'here'));
    // Back, also for what follows.
    for (const which of ['worker', 'control'] as const) await endSupervisor(which, 'TERM');
    await machines.control.setAddress(addresses.control);
    await up('control');
    await up('worker', '--join', server);
  });

  it('leaves with down: its pods are evicted, and its node is deleted', async () => {
    const exited = once(running.worker!, 'exit');
    await k8sSingle('worker', 'down');
    await exited;
    expect(await kubectl('get', 'nodes', '--output', 'name')).toBe('node/k8s-single');
    expect(await kubectl('get', 'pods', '--output', 'name')).toBe('pod/here');
    await k8sSingle('worker', 'down', '--purge');
    // What the test has put there.
    expect(await readdir(nodes.worker.dataDir)).toEqual(['build']);
    await eventually('here', async () => {
      const routes = await machines.control.run('ip', ['route', 'show', 'proto', '93']);
      return routes === '' ? 'here' : routes;
    });
  });
});

it('a worker renews both its certificates before they end, and nothing is restarted', async () => {
  // Of these, five are over when it is signed: pkg/controller/certificates/authority of Kubernetes 1.20.
  const args = '[--cluster-signing-duration=6m]';
  const config = join(nodes.control.dataDir, 'build/short.yaml');
  await writeFile(config, `components: { controller-manager: { args: ${args} } }\n`);
  await endSupervisor('control', 'TERM');
  await up('control', '--config', config);
  await giveImage(nodes.worker.dataDir, 'again');
  await up('worker', '--join', server, '--token', await newToken());
  const certificate = async (of: 'client' | 'server') =>
    new X509Certificate(await readFile(join(nodes.worker.dataDir, `kubelet/pki/kubelet-${of}-current.pem`)));
  const pids = async (): Promise<unknown> => {
    const { components } = JSON.parse(await k8sSingle('worker', 'status', '--output', 'json')) as {
      components: readonly { name: string; pid: number | null; restarts: number }[];
    };
    return components.map(({ name, pid, restarts }) => [name, pid, restarts]);
  };
  await eventually('client', async () => ((await certificate('server')).subject ? 'client' : ''));
  const [before, first] = [await pids(), [await certificate('client'), await certificate('server')]];
  expect(Math.max(...first.map((each) => Date.parse(each.validTo)))).toBeLessThan(Date.now() + 60_000);
  const hasEnded = (each: X509Certificate): boolean => Date.parse(each.validTo) < Date.now();
  await eventually('both', async () => (first.every(hasEnded) ? 'both' : 'not yet'), 90_000);
  for (const of of ['client', 'server'] as const)
    expect(hasEnded(await certificate(of)), `the certificate of the ${of} has ended`).toBe(false);
  expect(await pids()).toEqual(before);
  await apply(webPod('later', 'worker', { app: 'later' }));
  await eventually('later', async () => kubectl('exec', 'later', '--', 'cat', 'index.html'));
});
