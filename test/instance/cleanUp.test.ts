import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { execa } from 'execa';
import { expect, onTestFinished, test } from 'vitest';
import { forceCleanUp } from '../../src/instance/cleanUp.ts';
import { mountsBelow } from '../../src/host/mountTable.ts';

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

test('forceCleanUp of a node that never ran leaves nothing behind', async () => {
  const node = await deadNode();
  await forceCleanUp(node);
  expect(existsSync(node.run)).toBe(false);
});
