import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { execa } from 'execa';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { checks } from '../../src/smoke/checks.ts';
import { busyboxArchive, busyboxImage } from '../support/busybox.ts';
import { blocks, blockIn } from '../support/docs.ts';
import { runDockerNode, startDocker } from '../support/docker.ts';
import type { Docker, DockerNode } from '../support/docker.ts';
import { testBinaries } from '../support/installBinaries.ts';
import { expectNothingLeft, snapshotHost } from '../support/leftovers.ts';
import type { Snapshot } from '../support/leftovers.ts';

const engineName = 'e2e-docker';
const port = 16_443;
const internalIp = 'jsonpath={.items[0].status.addresses[?(@.type=="InternalIP")].address}';
const volume = ['--volume', 'cluster:/var/lib/k8s-single', '--publish', `${port}:6443`];

const web = {
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name: 'web' },
  spec: {
    containers: [
      {
        name: 'web',
        image: busyboxImage,
        imagePullPolicy: 'Never',
        command: ['sh', '-c', 'echo hello > /index.html; exec httpd -f -p 80 -h /'],
        readinessProbe: { httpGet: { path: '/index.html', port: 80 }, periodSeconds: 1 },
      },
    ],
  },
};

let folder: string;
let before: Snapshot;
let docker: Docker;
let node: DockerNode;
let imageLoaded: Promise<void>;
let original: Awaited<ReturnType<typeof identity>>;

/** The URL of the published port, as this machine reaches it. */
const server = (): string => `https://${docker.ip}:${port}`;

/** Runs kubectl on this machine, with the kubeconfig that the container prints. */
async function kubectlFromOutside(...args: string[]): Promise<string> {
  const { kubectl } = await testBinaries('kubectl');
  const kubeconfig = join(folder, 'kubeconfig');
  await writeFile(kubeconfig, await node.run('kubeconfig'));
  return (await execa(kubectl, ['--kubeconfig', kubeconfig, ...args])).stdout;
}

async function start(name: string, ...options: string[]): Promise<void> {
  const env = ['--env', `K8S_SINGLE_SERVER=${server()}`];
  node = await runDockerNode(docker, name, ...volume, ...env, ...options);
  await node.healthy();
}

/** The processes of the components, by their names. */
async function pids(): Promise<Record<string, number | undefined>> {
  const { components } = JSON.parse(await node.run('status', '--output', 'json')) as {
    components: { name: string; pid?: number }[];
  };
  return Object.fromEntries(components.map(({ name, pid }) => [name, pid]));
}

/** What identifies this cluster and its pod, and the address of its container. */
async function identity() {
  const uid = ['--output', 'jsonpath={.metadata.uid}'];
  return {
    cluster: await node.kubectl('get', 'namespace', 'kube-system', ...uid),
    pod: await node.kubectl('get', 'pod', 'web', ...uid),
    address: await node.inspect('{{.NetworkSettings.IPAddress}}'),
  };
}

/** Fetches the page of the pod through the published port. */
async function fetchPage(): Promise<string> {
  return kubectlFromOutside('get', '--raw', '/api/v1/namespaces/default/pods/web/proxy/index.html');
}

async function podIsReady(): Promise<void> {
  await node.kubectl('wait', '--for=condition=Ready', '--timeout=60s', 'pod/web');
}

/** Loads the image of the node's own container into the node. */
async function loadOwnImage(): Promise<void> {
  const archive = join(folder, 'k8s-single.tar');
  await docker.run('save', '--output', archive, 'k8s-single');
  await node.loadImage(archive);
}

beforeAll(async () => {
  folder = await mkdtemp('/var/tmp/k8s-single-container-');
  before = await snapshotHost();
  docker = await startDocker(engineName);
  await execa(process.execPath, ['image/build.mjs'], { env: docker.env });
  await start('first');
  // Takes a while; runs concurrently with the smoke test, which mostly waits for pods.
  imageLoaded = loadOwnImage();
});

afterAll(async () => {
  await docker[Symbol.asyncDispose]();
  await rm(folder, { recursive: true, force: true });
  await expectNothingLeft(before, [engineName]);
});

describe('docker run --privileged', () => {
  it('runs a node that passes the smoke test', async () => {
    const lines = (await node.run('smoke', '--output', 'json')).split('\n');
    const results = lines.map((line) => JSON.parse(line) as { check: string; outcome: string });
    expect(results.filter(({ outcome }) => outcome === 'failed')).toEqual([]);
    expect(results.filter(({ outcome }) => outcome === 'passed').length).toBe(checks.length);
  });

  it('can be reached through its published port, with the kubeconfig that it prints', async () => {
    expect(
      await kubectlFromOutside('config', 'view', '--output', 'jsonpath={.clusters[0].cluster.server}'),
    ).toBe(server());
    expect(await kubectlFromOutside('get', 'nodes', '--no-headers')).toMatch(/^k8s-single +Ready/);
    expect(await node.run('kubeconfig', '--server', 'https://localhost:1')).toContain(
      'https://localhost:1\n',
    );
    await expect(node.run('kubeconfig', '--server', 'https://elsewhere:1')).rejects.toThrow(
      'the certificate of the API server is not valid for elsewhere',
    );
  });
});

describe('a privileged pod', () => {
  it('as docs/containers.md has it is a node in a node', async () => {
    await imageLoaded;
    await node.apply(await blockIn('docs/containers.md', 'In a pod', 'yml'));
    await node.kubectl('wait', '--for=condition=Ready', '--timeout=90s', 'pod/cluster');
    const inside = ['exec', 'cluster', '--', 'k8s-single', 'kubectl', '--', 'get', 'nodes', '--no-headers'];
    expect(await node.kubectl(...inside)).toMatch(/^k8s-single +Ready/);
    await node.kubectl('delete', 'pod/cluster', 'configmap/cluster');
  });
});

describe('a pod with a web server', () => {
  it('runs, and its page can be fetched from outside', async () => {
    await node.loadImage(await busyboxArchive(folder, busyboxImage));
    await node.apply(JSON.stringify(web));
    await podIsReady();
    expect(await fetchPage()).toBe('hello');
  });
});

describe('a supervisor that is killed', () => {
  it('is started again by the init of the container, and takes over components and pods', async () => {
    const container = [
      'get',
      'pod',
      'web',
      '--output',
      'jsonpath={.status.containerStatuses[0].containerID}',
    ];
    const now = async () => ({ container: await node.kubectl(...container), components: await pids() });
    const earlier = await now();
    const exec = async (...args: string[]): Promise<string> => docker.run('exec', node.name, ...args);
    const file = '/run/k8s-single/default/node.json';
    const supervisor = async () => (JSON.parse(await exec('cat', file)) as { pid: number }).pid;
    const killed = await supervisor();
    await exec('sh', '-c', `kill -KILL ${killed}`);
    await expect.poll(supervisor, { timeout: 20_000 }).not.toBe(killed);
    await node.run('status', '--wait');
    expect(await now()).toEqual(earlier);
    expect(await fetchPage()).toBe('hello');
  });
});

describe('docker stop', () => {
  it('stops the node in order, with exit code 0', async () => {
    original = await identity();
    await docker.run('stop', node.name);
    expect(await node.inspect('{{.State.ExitCode}}')).toBe('0');
  });
});

describe('docker rm, and docker run with the same volume', () => {
  it('restarts the same cluster with its objects, at another address', async () => {
    const address = '{{.NetworkSettings.IPAddress}}';
    await docker.run('rm', node.name);
    // The next container gets the freed address.
    await docker.run('run', '--detach', '--name', 'other', '--entrypoint', 'sleep', 'k8s-single', 'infinity');
    expect(await docker.run('inspect', '--format', address, 'other')).toBe(original.address);
    await start('second', '--init');
    await podIsReady();
    const now = await identity();
    expect(now.address).not.toBe(original.address);
    expect(now).toEqual({ ...original, address: now.address });
    expect(await node.kubectl('get', 'node', '--output', internalIp)).toBe(now.address);
    expect(await fetchPage()).toBe('hello');
    await docker.run('kill', '--signal', 'INT', node.name);
    expect(await docker.run('wait', node.name)).toBe('0');
  });
});

describe('the commands of docs/containers.md', () => {
  it('start a node, give access to it, and stop it', async () => {
    const found = await blocks('sh', 'docs/containers.md');
    // The first of that section. The others need Docker Compose and a config.
    const script = found.find(({ section }) => section === 'Run it')?.text ?? '';
    const options = { cwd: folder, env: docker.env, all: true, reject: false } as const;
    const { exitCode, all } = await execa('bash', ['-e', '-c', script], options);
    expect(exitCode, all).toBe(0);
    expect(await readFile(join(folder, 'node.conf'), 'utf8')).toContain('https://127.0.0.1:6443\n');
    expect(await docker.run('inspect', '--format', '{{.State.ExitCode}}', 'node')).toBe('0');
  });
});

describe('docker run of a node that cannot start', () => {
  it.each([
    { what: 'without privileges', options: [], args: ['up'], code: 3, message: '--privileged' },
    {
      what: 'with a missing config',
      options: ['--privileged'],
      args: ['up', '--config', '/none'],
      code: 2,
      message: '/none',
    },
  ])('$what: exits with $code and a hint', async ({ options, args, code, message }) => {
    const run = ['run', '--rm', ...options, 'k8s-single', ...args];
    const { exitCode, stderr } = await execa('docker', run, { env: docker.env, reject: false });
    expect([exitCode, stderr]).toEqual([code, expect.stringContaining(message)]);
  });
});
