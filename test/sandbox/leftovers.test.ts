import { randomBytes, randomInt } from 'node:crypto';
import { once } from 'node:events';
import { mkdirSync, rmdirSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { execa } from 'execa';
import { expect, onTestFinished, test } from 'vitest';
import { createNodeCgroup, removeNodeCgroup } from '../../src/host/cgroup/nodeCgroup.ts';
import { leftoversSince, snapshotHost } from '../support/leftovers.ts';

const unique = (): string => `t${randomBytes(4).toString('hex')}`;

/** Leaves one resource of each kind on the host, with the name of the node. They are removed at the end of the test. */
async function createLeftovers(node: string): Promise<void> {
  const folder = join('/run/k8s-single', node);
  mkdirSync(folder, { recursive: true });
  onTestFinished(() => rmdirSync(folder));
  const data = join('/var/tmp', `k8s-single-${node}`);
  mkdirSync(data);
  onTestFinished(() => rmdirSync(data));
  await execa('mount', ['-n', '-t', 'tmpfs', 'tmpfs', folder]);
  onTestFinished(async () => void (await execa('umount', ['-n', folder])));
  const bridge = `k8s-${randomInt(1e9)}`;
  await execa('ip', ['link', 'add', bridge, 'type', 'bridge']);
  onTestFinished(async () => void (await execa('ip', ['link', 'delete', bridge])));
  await execa('ip', ['link', 'set', bridge, 'alias', `k8s-single node ${node}`]);
  await createNodeCgroup(node);
  onTestFinished(async () => removeNodeCgroup(node));
  const socket = join(folder, 'socket');
  const server = createServer().listen(socket);
  onTestFinished(() => void server.close());
  // An orphaned process in a UTS namespace of its own.
  const orphan = `unshare --uts bash -c 'exec -a k8s-single/${node} sleep infinity' > /dev/null 2>&1 & echo $!`;
  const { stdout } = await execa('sh', ['-c', orphan]);
  onTestFinished(() => void process.kill(Number(stdout), 'SIGKILL'));
}

test('finds leftovers of every kind', async () => {
  const node = unique();
  const before = await snapshotHost();
  await createLeftovers(node);
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => void server.close());
  const found = await leftoversSince(before, node);
  const kinds = [
    'process',
    'mount',
    'interface',
    'namespace',
    'cgroup',
    'file in /run',
    'file /',
    'listening socket',
    'unix socket',
  ];
  expect(kinds.filter((kind) => !found.some((line) => line.startsWith(kind)))).toEqual([]);
});

test('ignores resources of other nodes, and those that existed before', async () => {
  await createLeftovers(unique());
  const before = await snapshotHost();
  await createLeftovers(unique());
  expect(await leftoversSince(before, unique())).toEqual([]);
});

test('finds those of any node without a name', async () => {
  const node = unique();
  const before = await snapshotHost();
  await createLeftovers(node);
  expect(await leftoversSince(before)).toContainEqual(expect.stringMatching(`^cgroup .*${node}`));
});

test('finds a process that the test itself started', async () => {
  const before = await snapshotHost();
  const child = execa('sleep', ['infinity'], { reject: false });
  await once(child, 'spawn');
  expect(await leftoversSince(before, unique())).toContainEqual(
    expect.stringMatching(/^process \d+ .*: sleep infinity$/),
  );
  child.kill('SIGKILL');
  await child;
  expect(await leftoversSince(before, unique())).toEqual([]);
});
