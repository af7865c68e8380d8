import { mkdir, readdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { beforeEach, expect, test } from 'vitest';
import { cacheEntries, pruneCache } from '../../src/install/cacheContents.ts';
import { debianArch } from '../../src/install/find/cacheLayout.ts';
import { tempDir } from '../support/cli.ts';

let cacheDir: string;

const add = async (name: string) => {
  await mkdir(dirname(join(cacheDir, name)), { recursive: true });
  await writeFile(join(cacheDir, name), Buffer.alloc(10_000, 1));
};

beforeEach(async () => {
  cacheDir = await tempDir('cache');
  for (const name of [
    `release/kubernetes-1.29.15-${debianArch}/kubelet`,
    `release/kubernetes-1.36.4-${debianArch}/kubelet`,
    `release/etcd-3.5.33-${debianArch}/etcd`,
    `release/etcd-3.6.14-${debianArch}/etcd`,
    `release/containerd-1.7.34-${debianArch}/ctr`,
    `kubernetes/v1.20.2-${debianArch}/kubelet`,
    'debian/bookworm/bin/ip',
    'images/app.tar',
    'apt/lists/x',
    'release/.partial/half',
    'release/.bundle/half',
  ])
    await add(name);
});

const nodes = [
  {
    name: 'old',
    versions: {
      'kube-apiserver': '1.29.15',
      kubelet: '1.29.15',
      etcd: '3.5.33',
      ctr: '1.7.34',
      runc: '1.3.6',
    },
  },
  { name: 'other', versions: { kubelet: '1.29.15' } },
];

test('each entry is listed with its size and the nodes that use it', async () => {
  const entries = await cacheEntries(cacheDir, nodes);
  expect(entries.map(({ name, usedBy }) => [name, usedBy.join()])).toEqual([
    [`release/containerd-1.7.34-${debianArch}`, 'old'],
    [`release/etcd-3.5.33-${debianArch}`, 'old'],
    [`release/etcd-3.6.14-${debianArch}`, ''],
    [`release/kubernetes-1.29.15-${debianArch}`, 'old,other'],
    [`release/kubernetes-1.36.4-${debianArch}`, ''],
    [`kubernetes/v1.20.2-${debianArch}`, ''],
    ['debian/bookworm', ''],
    ['images/app.tar', ''],
    ['apt', ''],
  ]);
  for (const { bytes } of entries) expect(bytes).toBe(12_288);
});

test('what no node uses is removed, but not the tools of the machine and the images', async () => {
  const removed = await pruneCache(cacheDir, nodes);
  expect(removed.map(({ name }) => name)).toEqual([
    `release/etcd-3.6.14-${debianArch}`,
    `release/kubernetes-1.36.4-${debianArch}`,
    `kubernetes/v1.20.2-${debianArch}`,
    'apt',
  ]);
  expect((await readdir(join(cacheDir, 'release'))).sort()).toEqual([
    `containerd-1.7.34-${debianArch}`,
    `etcd-3.5.33-${debianArch}`,
    `kubernetes-1.29.15-${debianArch}`,
  ]);
  expect(await readdir(join(cacheDir, 'images'))).toEqual(['app.tar']);
  expect(await readdir(join(cacheDir, 'debian'))).toEqual(['bookworm']);
});
