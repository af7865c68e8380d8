import { mkdir, readdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { execa } from 'execa';
import { beforeEach, expect, onTestFinished, test } from 'vitest';
import { recordUse, usesOf } from '../../src/install/cacheUse.ts';
import { debianArch } from '../../src/install/find/cacheLayout.ts';
import { cli, tempDir } from '../support/cli.ts';

let dir: string;
let cacheDir: string;
const versions = { 'kube-apiserver': '1.36.4', etcd: '3.6.14' };
const hasData = async ({ dataDir }: { dataDir: string }) =>
  (await readdir(dataDir).catch(() => [])).length > 0;

beforeEach(async () => {
  dir = await tempDir('use');
  cacheDir = join(dir, 'k8s-single');
  await mkdir(cacheDir);
});

async function node(name: string, kubernetes = '1.36.4'): Promise<string> {
  const dataDir = join(dir, name);
  await mkdir(dataDir);
  await writeFile(join(dataDir, 'boot.json'), JSON.stringify({ versions: { 'kube-apiserver': kubernetes } }));
  recordUse(cacheDir, { name, dataDir, versions: { ...versions, 'kube-apiserver': kubernetes } });
  return dataDir;
}

test('a use is known until the data is removed', async () => {
  const dataDir = await node('elsewhere');
  recordUse(cacheDir, { name: 'elsewhere', dataDir, versions });
  expect(await usesOf(cacheDir, hasData)).toEqual([{ name: 'elsewhere', dataDir, versions }]);
  await rm(dataDir, { recursive: true });
  expect(await usesOf(cacheDir, hasData)).toEqual([]);
  expect(await readdir(join(cacheDir, 'nodes'))).toEqual([]);
});

test('a use is known while the disk of the data is not mounted', async () => {
  const dataDir = join(dir, 'disk');
  await mkdir(dataDir);
  await execa('mount', ['--no-mtab', '-t', 'tmpfs', 'tmpfs', dataDir]);
  let isMounted = true;
  onTestFinished(async () => void (isMounted && (await execa('umount', ['--no-mtab', dataDir]))));
  recordUse(cacheDir, { name: 'disk', dataDir, versions });
  await execa('umount', ['--no-mtab', dataDir]);
  isMounted = false;
  expect(await usesOf(cacheDir, hasData)).toEqual([{ name: 'disk', dataDir, versions }]);
});

test('a cache that cannot be written, and a damaged record, do not matter', async () => {
  recordUse('/proc', { name: 'x', dataDir: dir, versions });
  await mkdir(join(cacheDir, 'nodes'));
  await writeFile(join(cacheDir, 'nodes/x.json'), '{"name": "x", "dataDir": 7');
  expect(await usesOf(cacheDir, hasData)).toEqual([]);
});

test('install --prune keeps what a stopped node with its data elsewhere needs, also after a failed upgrade', async () => {
  for (const version of ['1.34.11', '1.35.8', '1.36.4']) {
    const folder = join(cacheDir, `release/kubernetes-${version}-${debianArch}`);
    await mkdir(folder, { recursive: true });
    await writeFile(join(folder, 'kubelet'), 'x'.repeat(10_000));
  }
  const dataDir = await node('prune-elsewhere');
  // The data is of 1.35 still.
  await writeFile(join(dataDir, 'versions.json'), JSON.stringify({ 'kube-apiserver': '1.35.8' }));
  const { stdout } = await cli(['install', '--list'], { env: { XDG_CACHE_HOME: dir } });
  expect(stdout).toMatch(/^release\/kubernetes-1\.36\.4-\S+ +\d+ KiB +prune-elsewhere$/m);
  expect(stdout).toMatch(/^release\/kubernetes-1\.34\.11-\S+ +\d+ KiB$/m);
  const pruned = await cli(['install', '--prune'], { env: { XDG_CACHE_HOME: dir } });
  expect(pruned.stdout).toMatch(/^removed release\/kubernetes-1\.34\.11-\S+, \d+ KiB$/);
  expect((await readdir(join(cacheDir, 'release'))).toSorted()).toEqual(
    ['1.35.8', '1.36.4'].map((version) => `kubernetes-${version}-${debianArch}`),
  );
});
