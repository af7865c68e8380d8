import { existsSync } from 'node:fs';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { execa } from 'execa';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { killNodeCgroup } from '../../src/host/cgroup/nodeCgroup.ts';
import { readMember } from '../../src/instance/clusterMembers.ts';
import { readNodeFile } from '../../src/instance/nodeFile.ts';
import { nodePaths } from '../../src/lib/paths.ts';
import { busyboxArchive, busyboxImage } from '../support/busybox.ts';
import { cli } from '../support/cli.ts';
import { eventually, fetchFrom, webPod, webService } from '../support/webPods.ts';

/** The nodes of one file, each in its own sandbox on this machine. */
const [control, first, second] = ['e2e-cluster', 'e2e-cluster-b', 'e2e-cluster-c'] as const;
const names = [control, first, second];

let folder: string;
let file: string;

async function k8sSingle(...args: string[]): Promise<string> {
  const result = await cli(args, { all: true });
  if (result.exitCode === 0) return String(result.stdout);
  throw new Error(`k8s-single ${args.join(' ')} exited with ${result.exitCode}:\n${String(result.all)}`);
}

async function failure(...args: string[]): Promise<string> {
  const { exitCode, stderr } = await cli(args);
  return `${exitCode}: ${String(stderr)}`;
}

async function up(): Promise<string> {
  const { stderr, exitCode } = await cli(['up', '-f', file, '--detach', '--output', 'plain']);
  expect(exitCode, String(stderr)).toBe(0);
  return String(stderr);
}

async function kubectl(...args: string[]): Promise<string> {
  return k8sSingle('kubectl', '--name', control, '--', ...args);
}

async function apply(...items: object[]): Promise<void> {
  const input = JSON.stringify({ apiVersion: 'v1', kind: 'List', items });
  const { exitCode, all } = await cli(['kubectl', '--name', control, '--', 'apply', '-f', '-'], {
    input,
    all: true,
  });
  expect(exitCode, String(all)).toBe(0);
}

const nodeStates = async (): Promise<string> => kubectl('get', 'nodes', '--no-headers');

beforeAll(async () => {
  folder = await mkdtemp('/var/tmp/k8s-single-cluster-');
  file = join(folder, 'cluster.yaml');
  const archive = await busyboxArchive(join(folder, 'build'), busyboxImage);
  const images = `images: [${archive}]\n`;
  await writeFile(join(folder, 'node.yaml'), images);
  // Half of the default, for how long nothing is heard of a node until it counts as lost.
  const args = '{ args: [--node-monitor-grace-period=20s] }';
  await writeFile(join(folder, 'control.yaml'), `${images}components: { controller-manager: ${args} }\n`);
  const nodes = names.map((name) => ({
    name,
    config: name === control ? 'control.yaml' : 'node.yaml',
    ...(name === control ? {} : { join: control }),
  }));
  // A worker may be before its control plane.
  await writeFile(file, JSON.stringify({ nodes: nodes.toReversed() }));
  await k8sSingle('down', '-f', file, '--purge');
});

afterAll(async () => {
  await k8sSingle('down', '-f', file, '--purge');
  await rm(folder, { recursive: true });
});

describe('several nodes of one file', () => {
  it('become ready together, and are left alone when they are up', async () => {
    expect(await up()).toMatch(
      new RegExp(`^3 nodes are ready after [\\d.]+ s: k8s-single status --name ${control}$`, 'm'),
    );
    expect((await nodeStates()).match(/ Ready /g)).toHaveLength(3);
    const listed = await k8sSingle('ls');
    expect(listed).toMatch(new RegExp(`^${control} +running +control plane `, 'm'));
    expect(listed).toMatch(new RegExp(`^${first} +running +worker `, 'm'));
    const again = await up();
    for (const name of names) expect(again).toContain(`node ${name} is up already`);
  });

  it('show all nodes of the cluster, on each of them', async () => {
    for (const name of names) {
      const shown = await k8sSingle('status', '--name', name);
      for (const node of ['k8s-single', first, second])
        expect(shown).toMatch(new RegExp(`^${node} +ready +v[\\d.]+ +[\\d.]+ +10.244.\\d+.0/24$`, 'm'));
    }
    const json = await k8sSingle('status', '--name', first, '--output', 'json');
    expect(JSON.parse(json)).toMatchObject({
      nodes: [{ name: first }, { name: second }, { name: 'k8s-single', ready: true }],
    });
  });

  it('say when there is no route to the pods of another one, and when there is again', async () => {
    const name = 'elsewhere';
    // In no network of theirs.
    const addresses = [{ type: 'InternalIP', address: '198.51.100.9' }];
    await apply({
      apiVersion: 'v1',
      kind: 'Node',
      metadata: { name },
      spec: { podCIDR: '10.244.77.0/24', taints: [{ key: 'held', effect: 'NoSchedule' }] },
      status: { addresses },
    });
    const said = async (node: string): Promise<string> =>
      cli(['status', '--name', node]).then(({ stdout }) => String(stdout));
    const missing =
      /^routes +down .*no route to the pods of node elsewhere, 10.244.77.0\/24 via 198.51.100.9: /m;
    for (const node of [control, first]) await eventually(missing, async () => said(node));
    await kubectl('delete', 'node', name);
    for (const node of [control, first]) await eventually(/^routes +ready /m, async () => said(node));
  });

  it('are those of the file: another one with the name of a node is no such node', async () => {
    const other = join(folder, 'other.yaml');
    await writeFile(other, JSON.stringify({ nodes: [{ name: first }] }));
    expect(await failure('up', '-f', other, '--detach')).toContain(
      `2: k8s-single: node ${first} is up, but not a control plane`,
    );
  });

  it('reach the pods and Services of each other, by name', async () => {
    const places = { a: 'k8s-single', b: first, c: second };
    const pods = Object.entries(places).map(([app, node]) => webPod(app, node, { app }));
    await apply(...pods, ...Object.keys(places).map(webService));
    await kubectl('wait', '--for=condition=Ready', '--timeout=60s', 'pod/a', 'pod/b', 'pod/c');
    for (const [from, to] of [
      ['a', 'b'],
      ['b', 'c'],
      ['c', 'a'],
    ] as const)
      await eventually(to, async () => fetchFrom(kubectl, from, to));
    expect(await eventually('serving', async () => kubectl('logs', 'c'))).toContain('serving');
  });

  it('have volumes of their own, each on the node of its first pod', async () => {
    await apply(...volumeOn(first));
    await kubectl('wait', '--for=condition=Ready', '--timeout=60s', 'pod/writer');
    const path = await kubectl('get', 'pv', '-o', 'jsonpath={.items[0].spec.local.path}');
    expect(path.startsWith(join(nodePaths(first).data, 'volumes/'))).toBe(true);
    await eventually('kept', async () => readFile(join(path, 'file'), 'utf8'));
    await kubectl('delete', 'pod/writer', 'pvc/data');
    await eventually(/^$/, async () => kubectl('get', 'pv', '-o', 'name'));
    expect(existsSync(path)).toBe(false);
    expect(await kubectl('get', 'node', first, '-o', 'jsonpath={.metadata.annotations}')).not.toContain(
      '"k8s-single/volumes":',
    );
  });

  it('have no token for other machines, and their control plane is not joined by a URL', async () => {
    expect(await failure('token', 'create', '--name', control)).toContain(
      `2: k8s-single: only nodes of this machine reach node ${control}`,
    );
    expect(await k8sSingle('token', 'ls', '--name', control)).toContain(`node ${first} of this machine`);
  });

  it('go on while their control plane is down, and are there when it is back', async () => {
    const started = async (): Promise<string> =>
      kubectl(
        'get',
        'pods',
        'b',
        'c',
        '-o',
        'jsonpath={.items[*].status.containerStatuses[*].state.running.startedAt}',
      );
    const before = await started();
    const rotate = ['certs', 'rotate-ca', '--name', control] as const;
    expect(await failure(...rotate)).toContain('3: k8s-single: the cluster has workers');
    await k8sSingle('down', '--name', control);
    const { stdout } = await cli(['status', '--name', first]);
    expect(String(stdout)).toMatch(/^kubelet +ready /m);
    expect(String(stdout)).toContain('the nodes of the cluster are unknown: ');
    expect(await failure(...rotate)).toContain(
      'it replaces its CAs when it runs, unless it has workers then',
    );
    await up();
    await eventually('certificates: the cluster has workers', async () =>
      k8sSingle('logs', '--name', control, 'supervisor'),
    );
    expect((await readdir(nodePaths(control).pki)).filter((name) => name.includes('-next'))).toEqual([]);
    await kubectl('wait', '--for=condition=Ready', '--timeout=60s', 'nodes', '--all');
    expect(await started()).toBe(before);
    await eventually('c', async () => fetchFrom(kubectl, 'b', 'c'));
  });

  it('keep nothing of one that registers, but never takes pods; neither does it', async () => {
    const held = join(folder, 'held.yaml');
    const args = '{ args: ["--register-with-taints=node.kubernetes.io/held=:NoSchedule"] }';
    await writeFile(held, `components: { kubelet: ${args} }\n`);
    const name = 'e2e-cluster-held';
    const registered = eventually(name, nodeStates);
    const said = await failure(
      'up',
      '--detach',
      '--name',
      name,
      '--join',
      control,
      '--config',
      held,
      '--timeout',
      '15s',
    );
    await registered;
    expect(said).toContain('the node has the taint node.kubernetes.io/held');
    expect(await nodeStates()).not.toContain(name);
    const { data, kubelet, pki } = nodePaths(name);
    const known = [join(data, 'cluster.json'), join(kubelet, 'pki'), join(pki, 'ca.crt')];
    expect(known.filter((path) => existsSync(path))).toEqual([]);
    await k8sSingle('down', '--name', name, '--purge');
  });

  it('lose one that is killed and one that is cut off, run its pods elsewhere, and take both back', async () => {
    await apply(movable());
    await kubectl('rollout', 'status', 'deployment/movable', '--timeout=60s');
    // Of the one, its port at the bridge; the other as by a power failure.
    const bridge = readMember(nodePaths(control).run)!.namespace.path;
    const { ip } = await readNodeFile(first);
    const connect = async (how: 'up' | 'down'): Promise<unknown> =>
      execa('nsenter', [`--net=${bridge}`, ...`ip link set dev n${ip.split('.').at(-1)} ${how}`.split(' ')]);
    await connect('down');
    await killNodeCgroup(second);
    await eventually(new RegExp(`^${first} +NotReady`, 'm'), nodeStates, 90_000);
    await eventually(new RegExp(`^${second} +NotReady`, 'm'), nodeStates, 90_000);
    const where = async (): Promise<string> =>
      kubectl(
        'get',
        'pods',
        '-l',
        'app=movable',
        '-o',
        'jsonpath={range .items[?(@.status.phase=="Running")]}{.spec.nodeName}{"\\n"}{end}',
      );
    await eventually('k8s-single', where, 60_000);
    await connect('up');
    await eventually(new RegExp(`^${first} +Ready`, 'm'), nodeStates);
    expect(await up()).toContain(`node ${second}, a worker of ${control}`);
    await eventually(new RegExp(`^${second} +Ready`, 'm'), nodeStates);
    await eventually('b', async () => fetchFrom(kubectl, 'a', 'b'));
  });

  it('are taken down together without draining, and come back as they were', async () => {
    await k8sSingle('down', '-f', file);
    expect(await readdir('/run/k8s-single').catch(() => [])).toEqual([]);
    await up();
    expect((await nodeStates()).match(/ Ready /g)).toHaveLength(3);
    expect(await kubectl('get', 'pod', 'a', '-o', 'name')).toBe('pod/a');
  });

  it('say that they are no nodes of the cluster any more', async () => {
    await kubectl('delete', 'node', second);
    await eventually(`node ${second} is not registered yet`, async () =>
      cli(['status', '--name', second]).then(({ stdout }) => String(stdout)),
    );
  });

  it('leave one by one with down, which drains, and nothing remains of them with --purge', async () => {
    await k8sSingle('down', '--name', first);
    expect(await nodeStates()).not.toContain(first);
    await k8sSingle('down', '-f', file, '--purge');
    for (const name of names) expect(existsSync(nodePaths(name).data)).toBe(false);
  });
});

/** A claim, and a pod on this node that writes into its volume. */
function volumeOn(node: string): object[] {
  const [name, claimName] = ['writer', 'data'];
  const command = ['sh', '-c', 'echo kept > /data/file; exec sleep 1000000'];
  const volumeMounts = [{ name: claimName, mountPath: '/data' }];
  return [
    {
      apiVersion: 'v1',
      kind: 'PersistentVolumeClaim',
      metadata: { name: claimName },
      spec: { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '1Mi' } } },
    },
    {
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name },
      spec: {
        nodeSelector: { 'kubernetes.io/hostname': node },
        terminationGracePeriodSeconds: 0,
        containers: [{ name, image: busyboxImage, imagePullPolicy: 'Never', command, volumeMounts }],
        volumes: [{ name: claimName, persistentVolumeClaim: { claimName } }],
      },
    },
  ];
}

/** Pods that leave a node 1 s after it is lost; by default it takes five minutes. One fits on each node. */
function movable(): object {
  const toleration = (key: string): object => ({
    key: `node.kubernetes.io/${key}`,
    operator: 'Exists',
    effect: 'NoExecute',
    tolerationSeconds: 1,
  });
  const labels = { app: 'movable' };
  return {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name: 'movable' },
    spec: {
      replicas: 1,
      selector: { matchLabels: labels },
      template: {
        metadata: { labels },
        spec: {
          affinity: {
            nodeAffinity: {
              preferredDuringSchedulingIgnoredDuringExecution: [
                {
                  weight: 100,
                  preference: {
                    matchExpressions: [{ key: 'kubernetes.io/hostname', operator: 'In', values: [second] }],
                  },
                },
              ],
            },
          },
          tolerations: [toleration('not-ready'), toleration('unreachable')],
          containers: [
            { name: 'idle', image: busyboxImage, imagePullPolicy: 'Never', command: ['sleep', '1000000'] },
          ],
        },
      },
    },
  };
}

describe('a node does not join', () => {
  it('one that does not run, or that nobody can join, or twice', async () => {
    expect(await failure('up', '--name', 'e2e-cluster-x', '--join', 'e2e-cluster-y')).toContain(
      'node e2e-cluster-y is not running',
    );
    expect(await failure('up', '--name', 'e2e-cluster-x', '--join', 'E2E')).toContain(
      '2: k8s-single: --join E2E: expected the name of a node of this machine',
    );
    expect(existsSync(nodePaths('e2e-cluster-x').data)).toBe(false);
  });
});

describe('a cluster of which a worker cannot be started', () => {
  it('keeps what became ready with --detach, and says why', async () => {
    const [a, b] = ['e2e-cluster-half', 'e2e-cluster-half-b'];
    const half = join(folder, 'half.yaml');
    await writeFile(join(folder, 'bad.yaml'), 'kubelet: { maxPods: many }\n');
    await writeFile(half, JSON.stringify({ nodes: [{ name: a }, { name: b, join: a, config: 'bad.yaml' }] }));
    const said = await failure('up', '-f', half, '--detach', '--output', 'plain');
    expect(said).toMatch(/^2: /);
    expect(said).toContain('bad.yaml:1:21: kubelet.maxPods: expected');
    expect(await k8sSingle('status', '--name', a)).toContain('apiserver');
    // What a file says of nodes that are not there any more counts for nothing.
    await writeFile(half, JSON.stringify({ nodes: [{ name: a }] }));
    expect(await failure('up', '-f', half, '--detach')).toMatch(/^0: node \S+ is up already/);
    expect(await k8sSingle('down', '-f', half, '--purge')).toBe('');
    expect(existsSync(nodePaths(a).data)).toBe(false);
  });

  it('is gone with the command that asked for it', async () => {
    const config = join(folder, 'control.yaml');
    const args = ['run', '--name', 'e2e-cluster-no', '--nodes', '2', '--config', config, '--bin-dir', folder];
    // The name of the worker is in use.
    await k8sSingle('up', '--detach', '--name', 'e2e-cluster-no-2', '--config', join(folder, 'node.yaml'));
    const said = await failure(...args, '--', 'true');
    await k8sSingle('down', '--name', 'e2e-cluster-no-2', '--purge');
    expect(said).toContain('3: ');
    expect(said).toContain('node e2e-cluster-no-2 is already running');
    expect(await readdir('/run/k8s-single').catch(() => [])).toEqual([]);
  });
});

describe('a command', () => {
  it('gets a fresh cluster of as many nodes as it asks for', async () => {
    const { stdout, exitCode } = await cli(
      ['run', '--name', 'e2e-cluster-run', '--nodes', '2', '--', 'kubectl', 'get', 'nodes', '--no-headers'],
      { all: true },
    );
    expect(exitCode).toBe(0);
    expect(String(stdout)).toMatch(/^e2e-cluster-run-2 +Ready/m);
    expect(String(stdout)).toMatch(/^k8s-single +Ready/m);
  });

  it('gets none of a number that makes no sense', async () => {
    expect(await failure('run', '--nodes', '0', '--', 'true')).toContain(
      '2: k8s-single: --nodes 0: expected',
    );
  });
});
