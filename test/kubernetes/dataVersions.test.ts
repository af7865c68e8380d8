import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { debianArch } from '../../src/install/find/cacheLayout.ts';
import {
  assertDataFits,
  assertSnapshotFits,
  hasExternalEtcd,
  recordDataVersions,
  versionOfData,
} from '../../src/kubernetes/dataVersions.ts';
import { tempDir } from '../support/cli.ts';

/** A data folder with a cluster that these versions have run. */
async function usedBy(versions?: Record<string, string>): Promise<string> {
  const data = await tempDir('versions');
  await mkdir(join(data, 'etcd', 'member'), { recursive: true });
  if (versions !== undefined) recordDataVersions(data, { ...versions, kubelet: '9.9.9' });
  return data;
}

const of = (kubernetes: string, etcd = '3.4.23') => ({ 'kube-apiserver': kubernetes, etcd });
const node = (dataDir: string) => ({ name: 'default', dataDir });

test.each([
  ['the same', of('1.20.2'), of('1.20.2')],
  ['an older patch', of('1.20.2'), of('1.20.1')],
  ['the next minor version', of('1.20.2'), of('1.21.0', '3.5.1')],
  ['the next minor version of etcd', of('1.20.2', '3.3.1'), of('1.20.2', '3.4.1')],
  ['an unknown version', of('dev'), of('1.20.2')],
])('data is used by %s', async (_what, last, next) => {
  const data = await usedBy(last);
  expect(() => assertDataFits(node(data), next)).not.toThrow();
});

test.each([
  [
    of('1.36.2', '3.6.1'),
    of('1.20.2'),
    /Kubernetes 1\.36\.2, and this is 1\.20\.2: an older version cannot/,
    /start it with Kubernetes 1\.36 or newer: k8s-single up --data-dir \S+ --kubernetes 1\.36, or --bin-dir/,
  ],
  [
    of('1.20.2', '3.5.1'),
    of('1.20.2'),
    /of etcd 3\.5\.1, and this is 3\.4\.23: an older version cannot read it/,
    /start it with etcd 3\.5 or newer: --bin-dir with that etcd/,
  ],
  [
    of('1.20.2'),
    of('1.22.0'),
    /Kubernetes 1\.20\.2, and this is 1\.22\.0: an upgrade must not skip/,
    /go through each minor version: k8s-single upgrade --data-dir \S+ --to 1\.22;/,
  ],
  [
    of('1.33.5', '3.4.45'),
    of('1.34.1', '3.6.14'),
    /of etcd 3\.4\.45, and this is 3\.6\.14: an upgrade must not skip/,
    /start it with etcd 3\.5 first, then with each later minor version: --bin-dir with that etcd/,
  ],
  [of('1.36.2'), of('2.0.0'), /an upgrade must not skip/, /upgrade --data-dir \S+ --to 2\.0;/],
])('data of %j is refused for %j', async (last, next, message, hint) => {
  const data = await usedBy(last);
  const before = readFileSync(join(data, 'versions.json'), 'utf8');
  expect(() => assertDataFits(node(data), next)).toThrow(
    expect.objectContaining({
      code: 'preflight',
      message: expect.stringMatching(message),
      hint: expect.stringMatching(hint),
    }),
  );
  expect(() => assertDataFits(node(data), next)).toThrow(
    expect.objectContaining({ hint: expect.stringContaining(`k8s-single down --data-dir ${data} --purge`) }),
  );
  expect(readFileSync(join(data, 'versions.json'), 'utf8')).toBe(before);
});

test('data without a record, or with one that cannot be read, is taken as it is', async () => {
  const data = await usedBy();
  expect(() => assertDataFits(node(data), of('1.20.2'))).not.toThrow();
  for (const text of ['', '{"kube-apiserver', '[]']) {
    writeFileSync(join(data, 'versions.json'), text);
    expect(() => assertDataFits(node(data), of('1.20.2'))).not.toThrow();
  }
});

test('a record without a cluster says nothing, as after "remove the folder of etcd"', async () => {
  const data = await tempDir('versions');
  recordDataVersions(data, of('1.36.2'));
  expect(existsSync(join(data, 'versions.json'))).toBe(true);
  expect(() => assertDataFits(node(data), of('1.20.2'))).not.toThrow();
});

test('without a request, a node goes on with the version of its data', async () => {
  const cache = await tempDir('cache');
  const data = await usedBy(of('1.35.2'));
  expect(versionOfData(node(data), cache)).toBe('1.35');
  await mkdir(join(cache, `release/kubernetes-1.35.2-${debianArch}`), { recursive: true });
  expect(versionOfData(node(data), cache)).toBe('1.35.2');
  expect(versionOfData(node(await usedBy(of('1.37.0-rc.1'))), cache)).toBe('1.37');
});

test.each([
  ['no record', undefined],
  ['a version that is too old to be installed', of('1.19.16')],
  ['one that is too new', of('1.38.1')],
  ['one that is no release', of('dev')],
])('data with %s has no say', async (_what, last) => {
  const cache = await tempDir('cache');
  expect(versionOfData(node(await usedBy(last)), cache)).toBeUndefined();
});

test('data without a cluster has no say', async () => {
  const data = await tempDir('versions');
  recordDataVersions(data, of('1.35.2'));
  expect(versionOfData(node(data), await tempDir('cache'))).toBeUndefined();
});

test('the version of Kubernetes is kept and checked, too, when the cluster is in an etcd of others', async () => {
  const data = await tempDir('versions');
  const cache = await tempDir('versions');
  recordDataVersions(data, { 'kube-apiserver': '1.29.5' });
  expect(hasExternalEtcd(data)).toBe(true);
  expect(versionOfData(node(data), cache)).toBe('1.29');
  expect(() => assertDataFits(node(data), { 'kube-apiserver': '1.30.1' })).not.toThrow();
  expect(() => assertDataFits(node(data), { 'kube-apiserver': '1.28.1' })).toThrow('an older version cannot');
  recordDataVersions(data, of('1.29.5'));
  expect(hasExternalEtcd(data)).toBe(false);
});

test('a snapshot of a newer version is refused, with the version that reads it', () => {
  expect(() => assertSnapshotFits('1.20.2', '1.20.1')).not.toThrow();
  expect(() => assertSnapshotFits('1.20.2', '1.21.0')).not.toThrow();
  expect(() => assertSnapshotFits('1.36.2', '1.20.2')).toThrow(
    expect.objectContaining({
      code: 'preflight',
      message: expect.stringContaining('the snapshot is of Kubernetes 1.36.2, and this is 1.20.2: an older'),
      hint: 'restore it with its own version: --kubernetes 1.36',
    }),
  );
});
