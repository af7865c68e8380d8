import { existsSync } from 'node:fs';
import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { execa } from 'execa';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { killNodeCgroup } from '../../src/host/cgroup/nodeCgroup.ts';
import { readNodeFile } from '../../src/instance/nodeFile.ts';
import { debianRoot } from '../config/debianRoot.ts';
import { busyboxArchive } from '../support/busybox.ts';
import { cli } from '../support/cli.ts';
import { programImage } from '../support/programImage.ts';
import { digest, dockerArchive, member, sparse, tarOf } from '../support/tar.ts';
import { TestNode } from '../support/testNode.ts';

/** Below a folder that is an overlay in the sandbox, and on a disk of its own: the kubelet once measured memory there. */
const disk = '/var/tmp/k8s-single-e2e-disk';
const node = new TestNode('e2e-disk', join(disk, 'node'));
const fill = join(disk, 'fill');
const image = 'docker.io/library/kept:1';
const redisImage = 'docker.io/library/redis:1';

beforeAll(async () => {
  await removeDisk();
  await mkdir(disk, { recursive: true });
  await execa('truncate', ['--size', '4G', `${disk}.img`]);
  await execa('mkfs.ext4', ['-q', '-F', `${disk}.img`]);
  await execa('mount', ['--no-mtab', '-o', 'loop', `${disk}.img`, disk]);
  await node.up('--publish', '0:80', '--publish', '[::1]:0:80');
  const folder = join(disk, 'archive');
  await mkdir(folder);
  await images('load', await busyboxArchive(folder, 'kept:1'));
});

afterAll(async () => {
  await node.remove();
  await removeDisk();
});

async function removeDisk(): Promise<void> {
  await execa('umount', ['--no-mtab', disk], { reject: false });
  for (const path of [`${disk}.img`, disk]) await rm(path, { recursive: true, force: true });
}

/** Leaves this much free space. */
async function leave(mib: number): Promise<void> {
  await rm(fill, { force: true });
  const { stdout } = await execa('df', ['--block-size=1M', '--output=avail', disk]);
  const free = Number(stdout.split('\n').at(-1));
  await execa('fallocate', ['--length', `${free - mib}M`, fill]);
}

async function images(...args: string[]): Promise<string> {
  const { exitCode, stdout, all } = await cli(['image', ...args, '--name', node.name], { all: true });
  expect(exitCode, String(all)).toBe(0);
  return String(stdout);
}

/** CRI's RemoveImage: every name of the image goes, and what nothing refers to. */
async function removeAsKubelet(name: string): Promise<void> {
  const { ctr = '' } = await readNodeFile(node.name);
  const args = ['--address', node.containerdSocket, '--namespace', 'k8s.io', 'images'];
  const { stdout } = await execa(ctr, [...args, 'list']);
  const rows = stdout.split('\n').map((line) => line.split(/\s+/));
  const found = rows.find(([each]) => each === name)?.[2];
  const names = rows.filter((row) => row[2] === found).map(([each = '']) => each);
  await execa(ctr, [...args, 'rm', '--sync', ...names]);
}

async function statusText(): Promise<string> {
  return String((await cli(node.args('status'))).stdout);
}

/** A pod of the loaded image that runs a script with these folders of the node, by hostPath, and with a claim in /claim. */
async function runPod(
  name: string,
  script: string,
  folders: readonly string[],
  claim?: string,
): Promise<string> {
  const volumes: object[] = folders.map((path, i) => ({
    name: `v${i}`,
    hostPath: { path, type: 'DirectoryOrCreate' },
  }));
  const volumeMounts = folders.map((path, i) => ({ name: `v${i}`, mountPath: path }));
  if (claim !== undefined) {
    volumes.push({ name: 'claim', persistentVolumeClaim: { claimName: claim } });
    volumeMounts.push({ name: 'claim', mountPath: '/claim' });
  }
  const securityContext = claim === undefined ? {} : { runAsUser: 1000 };
  const container = { name: 'main', image, imagePullPolicy: 'Never', command: ['sh', '-c', script] };
  await node.apply({
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name },
    spec: { restartPolicy: 'Never', securityContext, volumes, containers: [{ ...container, volumeMounts }] },
  });
  const phase = async (): Promise<string> =>
    node.kubectl('get', 'pod', name, '-o', 'jsonpath={.status.phase}');
  await expect.poll(phase, { timeout: 60_000 }).toBe('Succeeded');
  return node.kubectl('logs', name);
}

describe('a Service of type LoadBalancer', () => {
  it('answers at the address of the node, and at published ports of the host', async () => {
    const script = 'mkdir /w && echo hello > /w/index.html && httpd -f -p 8080 -h /w';
    const container = { name: 'main', image, imagePullPolicy: 'Never', command: ['sh', '-c', script] };
    const labels = { app: 'web' };
    await node.apply(
      {
        apiVersion: 'apps/v1',
        kind: 'Deployment',
        metadata: { name: 'web' },
        spec: {
          selector: { matchLabels: labels },
          template: { metadata: { labels }, spec: { containers: [container] } },
        },
      },
      {
        apiVersion: 'v1',
        kind: 'Service',
        metadata: { name: 'web' },
        spec: { type: 'LoadBalancer', selector: labels, ports: [{ port: 80, targetPort: 8080 }] },
      },
    );
    await node.kubectl('wait', '--for=condition=Available', 'deployment/web', '--timeout=60s');
    const { ip, ports = [] } = await readNodeFile(node.name);
    const path = 'jsonpath={.status.loadBalancer.ingress[*].ip}';
    expect(await node.kubectl('get', 'service/web', '-o', path)).toBe(ip);
    expect(await statusText()).toContain(`published: 127.0.0.1:${ports[0]!.port} -> 80/tcp`);
    const get = async (host: string): Promise<string> =>
      (await execa('curl', ['-g', '-sS', '--max-time', '5', `http://${host}/`], { reject: false })).stdout;
    for (const host of [ip, `127.0.0.1:${ports[0]!.port}`, `[::1]:${ports[1]!.port}`])
      await expect.poll(async () => get(host), { timeout: 10_000 }).toBe('hello');
    await node.kubectl('delete', 'deployment/web', 'service/web', '--now');
  });
});

/** Debian's Redis as a StatefulSet with a claim, as another user than root. */
async function startRedis(): Promise<void> {
  const { root, env } = await debianRoot(['redis-server']);
  const programs = ['redis-server', 'redis-cli'].map((name) => join(root, 'usr/bin', name));
  const folder = join(disk, 'redis');
  await mkdir(folder);
  await images('load', await programImage(folder, { image: redisImage, programs, env }));
  await rm(folder, { recursive: true });
  const command = ['redis-server', '--dir', '/data', '--appendonly', 'yes', '--appendfsync', 'always'];
  const volumeMounts = [{ name: 'data', mountPath: '/data' }];
  const labels = { app: 'redis' };
  const claim = { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '64Mi' } } };
  await node.apply({
    apiVersion: 'apps/v1',
    kind: 'StatefulSet',
    metadata: { name: 'redis' },
    spec: {
      serviceName: 'redis',
      selector: { matchLabels: labels },
      template: {
        metadata: { labels },
        spec: {
          securityContext: { runAsUser: 1000, fsGroup: 1000 },
          containers: [{ name: 'redis', image: redisImage, imagePullPolicy: 'Never', command, volumeMounts }],
        },
      },
      volumeClaimTemplates: [{ metadata: { name: 'data' }, spec: claim }],
    },
  });
}

async function redis(...args: string[]): Promise<string> {
  return node.kubectl('exec', 'redis-0', '--', 'redis-cli', ...args).catch(String);
}

describe('a claim of the default class', () => {
  it('keeps what pods wrote, also as another user, until it is deleted', async () => {
    const folder = join(node.dataDir, 'volumes');
    await startRedis();
    await expect.poll(async () => redis('set', 'key', 'kept'), { timeout: 60_000 }).toBe('OK');
    await node.apply({
      apiVersion: 'v1',
      kind: 'PersistentVolumeClaim',
      metadata: { name: 'data' },
      spec: { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '16Mi' } } },
    });
    await runPod('claim-writes', 'echo kept > /claim/file', [], 'data');
    const name = (await readdir(folder)).find((each) => each.startsWith('data_default_')) ?? 'none';
    expect(await readFile(join(folder, name, 'file'), 'utf8')).toBe('kept\n');
    await node.run('down');
    // Then the component `helper` has it.
    const config = join(node.dataDir, 'without-dns.yaml');
    await writeFile(config, 'dns: none\n');
    await node.up('--config', config);
    expect((await node.status()).get('helper')?.state).toBe('ready');
    expect(await runPod('claim-reads', 'cat /claim/file', [], 'data')).toBe('kept');
    await expect.poll(async () => redis('get', 'key'), { timeout: 60_000 }).toBe('kept');
    const all = [
      'pod/claim-writes',
      'pod/claim-reads',
      'statefulset/redis',
      'pod/redis-0',
      'pvc/data',
      'pvc/data-redis-0',
    ];
    await node.kubectl('delete', ...all, '--now');
    await expect.poll(async () => readdir(folder), { timeout: 30_000 }).toEqual([]);
    const volumes = async (): Promise<string> => node.kubectl('get', 'persistentvolumes', '-o', 'name');
    await expect.poll(volumes, { timeout: 10_000 }).toBe('');
    await rm(config);
  });
});

describe('a hostile image archive', () => {
  const layer = tarOf(member({ name: 'a', content: 'a' }));
  const wrong = dockerArchive([layer], { diffIds: [digest(Buffer.alloc(0))] });

  it.each([
    ['that would fill the disk', dockerArchive([tarOf(sparse('hole', 2 ** 40))]), 3, 'no room: '],
    ['with a wrong digest', wrong, 2, 'cannot be imported: ctr: wrong diff id'],
  ])('%s is refused, takes no space, and the node goes on', async (_what, content, code, reason) => {
    const free = async (): Promise<number> =>
      Number((await execa('df', ['--block-size=1M', '--output=avail', disk])).stdout.split('\n').at(-1));
    const args = ['--address', node.containerdSocket, '--namespace', 'k8s.io', 'images', 'list', '--quiet'];
    const { ctr = '' } = await readNodeFile(node.name);
    const stored = async (): Promise<string> => (await execa(ctr, args)).stdout;
    const before = { free: await free(), stored: await stored() };
    const file = join(disk, 'hostile.tar');
    await writeFile(file, content);
    const { exitCode, stderr } = await cli(['image', 'load', file, '--name', node.name]);
    expect(exitCode, String(stderr)).toBe(code);
    expect(String(stderr)).toMatch(new RegExp(`${file}:? ${reason}`));
    expect(await stored()).toBe(before.stored);
    expect(await free()).toBeGreaterThan(before.free - 64);
    expect(await statusText()).toMatch(/node +ready/);
    expect(await runPod(`after-${code}`, 'echo fine', [])).toBe('fine');
    await rm(file);
  });
});

describe('a node whose disk gets full', () => {
  it('says so before, takes no pods, and keeps its images', async () => {
    await leave(950);
    expect(await statusText()).toMatch(/disk: nearly full: 9\d\d MiB free for .*; below \d+ MiB the kubelet/);
    await leave(100);
    await expect
      .poll(statusText, { timeout: 60_000 })
      .toMatch(/node +down .*DiskPressure: kubelet has disk pressure \(\d+ MiB free for/);
    const smoke = await cli(node.args('smoke', '--only', 'pod'));
    expect(smoke.exitCode).toBe(7);
    expect(String(smoke.stdout) + String(smoke.stderr)).toContain('k8s-single has DiskPressure');
    const doctor = await cli(['doctor', '--data-dir', node.dataDir]);
    expect(String(doctor.stdout)).toMatch(
      /✗ disk +\d+ MiB free for .*: below \d+ MiB the kubelet evicts pods/,
    );
    // As the kubelet does with images that are older than 2 min.
    await removeAsKubelet(image);
    expect(await images('ls')).not.toContain(image);
    await rm(fill);
    await expect.poll(async () => images('ls'), { timeout: 60_000 }).toContain(image);
    await expect.poll(statusText, { timeout: 120_000 }).toMatch(/node +ready/);
    expect(await runPod('again', 'echo fine', [])).toBe('fine');
  });

  it('does not start, and names the limit', async () => {
    await node.run('down');
    await leave(100);
    const { exitCode, stderr } = await cli(node.args('up', '--detach', '--output', 'plain'));
    expect(exitCode).toBe(3);
    expect(String(stderr)).toMatch(/disk: \d+ MiB free for .*: below \d+ MiB the kubelet evicts pods/);
    await rm(fill);
  });
});

describe('hostPath below /etc, /opt, /tmp and /var', () => {
  const folders = ['/etc', '/opt', '/tmp', '/var/lib'].map((folder) => join(folder, 'k8s-single-e2e-disk'));

  it('is kept by down and by a crash, never on the host, and removed by purge', async () => {
    await node.up();
    await runPod('writes', `for f in ${folders.join(' ')}; do echo $f > $f/file; done`, folders);
    await node.run('down');
    await node.up();
    const reads = folders.map((folder) => `cat ${folder}/file`).join('; ');
    expect(await runPod('reads', reads, folders)).toBe(folders.join('\n'));
    await killNodeCgroup(node.name);
    await node.run('down');
    await node.up();
    expect(await runPod('reads-again', reads, folders)).toContain(folders.at(-1));
    expect(folders.filter((folder) => existsSync(folder))).toEqual([]);
    await writeFile(join(node.dataDir, 'mine'), '');
    await node.run('down', '--purge');
    expect(existsSync(join(node.dataDir, 'system-folders'))).toBe(false);
    expect(existsSync(join(node.dataDir, 'mine'))).toBe(true);
  });
});
