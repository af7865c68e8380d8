import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { execa } from 'execa';
import { expect, onTestFinished, test } from 'vitest';
import { forceCleanUp } from '../../src/instance/cleanUp.ts';
import { mountsBelow } from '../../src/lib/mountTable.ts';

/** The name and folders of a node that does not run. */
async function deadNode() {
  const name = `test-${randomBytes(4).toString('hex')}`;
  const data = await mkdtemp(join(tmpdir(), 'k8s-single-data-'));
  onTestFinished(() => rmSync(data, { recursive: true }));
  return { name, run: `/run/k8s-single/${name}`, data };
}

async function mountTmpfs(folder: string): Promise<void> {
  mkdirSync(folder, { recursive: true });
  await execa('mount', ['--no-mtab', '-t', 'tmpfs', 'tmpfs', folder]);
}

test('forceCleanUp unmounts the leftovers of kubelet and containerd, and keeps mounts that others created', async () => {
  const node = await deadNode();
  await mountTmpfs(node.data);
  onTestFinished(async () => void (await execa('umount', ['--no-mtab', '--recursive', node.data])));
  const etcd = join(node.data, 'etcd');
  const volume = join(node.data, 'kubelet/pods/uid/a b');
  for (const folder of [etcd, volume, join(volume, 'nested'), join(node.run, 'containerd/shm')])
    await mountTmpfs(folder);
  writeFileSync(join(etcd, 'kept'), '');
  await forceCleanUp(node);
  expect(await mountsBelow(node.data)).toEqual([etcd]);
  expect(existsSync(join(etcd, 'kept'))).toBe(true);
  expect(existsSync(node.run)).toBe(false);
});

test('forceCleanUp removes the sockets of its dead shims, and no others', async () => {
  const node = await deadNode();
  const tasks = join(node.run, 'containerd/io.containerd.runtime.v2.task/k8s.io');
  const sockets = ['a', 'b', 'c'].map((digit) => `/run/containerd/s/${digit.repeat(64)}`);
  mkdirSync('/run/containerd/s', { recursive: true });
  for (const socket of sockets) writeFileSync(socket, '');
  onTestFinished(() => sockets.forEach((socket) => rmSync(socket, { force: true })));
  const addresses = [
    ['one/address', `unix://${sockets[0]}`],
    [
      'two/bootstrap.json',
      JSON.stringify({ version: 3, address: `unix://${sockets[1]}`, protocol: 'ttrpc' }),
    ],
    // Of a pod, whoever wrote it.
    ['one/rootfs/address', `unix://${sockets[2]}`],
  ] as const;
  for (const [file, text] of addresses) {
    mkdirSync(dirname(join(tasks, file)), { recursive: true });
    writeFileSync(join(tasks, file), text);
  }
  await forceCleanUp(node);
  expect(sockets.map((socket) => existsSync(socket))).toEqual([false, false, true]);
});

test('forceCleanUp of a node that never ran leaves nothing behind', async () => {
  const node = await deadNode();
  await forceCleanUp(node);
  expect(existsSync(node.run)).toBe(false);
});

/** Both ends of a pair, the node's in a network namespace that a process keeps. */
async function linkHeldByProcess(node: string): Promise<string> {
  const name = `k8s-${randomBytes(4).toString('hex')}`;
  const holder = execa('unshare', ['--net', 'sh', '-c', 'echo; exec sleep infinity'], { reject: false });
  onTestFinished(() => void holder.kill('SIGKILL'));
  await once(holder.stdout, 'data');
  await execa('ip', `link add ${name} type veth peer name eth0 netns ${holder.pid}`.split(' '));
  onTestFinished(async () => void (await execa('ip', ['link', 'delete', name], { reject: false })));
  await execa('ip', ['link', 'set', 'dev', name, 'alias', `k8s-single node ${node}`]);
  return name;
}

test('forceCleanUp removes the interface even while a process stays in the network of the node', async () => {
  const node = await deadNode();
  const [own, foreign] = [await linkHeldByProcess(node.name), await linkHeldByProcess('another')];
  for (const [name, remains] of [
    [own, false],
    [foreign, true],
  ] as const) {
    mkdirSync(node.run, { recursive: true });
    writeFileSync(join(node.run, 'interface'), name);
    await forceCleanUp(node);
    expect(existsSync(join('/sys/class/net', name))).toBe(remains);
    expect(existsSync(node.run)).toBe(false);
  }
});
