import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { coreDnsBinary, nodeBinaries } from '../../../src/install/find/binaries.ts';
import { pinOf } from '../../../src/install/release/assets.ts';
import { cannotPair, defaultRelease, pairingOf } from '../../../src/install/release/pairings.ts';
import { assetsOf } from '../../../src/install/release/release.ts';

const minors = Array.from({ length: 18 }, (_, i) => 20 + i);

test.each(minors)('1.%i runs with what fits it', (minor) => {
  const { kubernetes, etcd, containerd, reason } = pairingOf(`1.${minor}`);
  expect(kubernetes).toMatch(new RegExp(`^1\\.${minor}\\.\\d+$`));
  expect(cannotPair(kubernetes, containerd)).toBeUndefined();
  expect(etcd).toMatch(minor < 34 ? /^3\.5\./ : /^3\.6\./);
  expect(reason).not.toBe('');
});

test.each(['amd64', 'arm64'] as const)(
  'what goes with Kubernetes is pinned for %s, and of the default version kubelet and kubectl, too',
  (arch) => {
    for (const minor of minors) {
      const { assets } = assetsOf(nodeBinaries, pairingOf(`1.${minor}`).kubernetes, arch);
      const unpinned = assets.filter((asset) => pinOf(asset) === undefined).map(({ name }) => name);
      const parts = ['kube-apiserver', 'kube-controller-manager', 'kube-scheduler', 'kube-proxy'];
      expect(unpinned).toEqual(
        minor === 37 ? [...parts.slice(0, 3), 'kubelet', 'kube-proxy', 'kubectl'] : parts,
      );
    }
    expect(pairingOf('1.36').kubernetes).toBe(defaultRelease);
  },
);

test('the docs have the default version, and each row of the table', async () => {
  const page = await readFile(join(import.meta.dirname, '../../../docs/install.md'), 'utf8');
  expect(page).toContain(`the default, ${defaultRelease} `);
  for (const minor of minors) {
    const { etcd, containerd, runc, coredns } = pairingOf(`1.${minor}`);
    const rows = [
      ...page.matchAll(/^\| 1\.(\d+)(?: to 1\.(\d+))? +\| ([^|]+)\| ([^|]+)\| ([^|]+)\| ([^|]+)\|$/gm),
    ];
    const row = rows.find(([, first, last = first]) => Number(first) <= minor && minor <= Number(last));
    expect(row?.slice(3).map((cell) => cell.trim())).toEqual([etcd, containerd, runc, coredns]);
  }
});

test('the paths are those of the publishers', () => {
  const { assets, unpublished } = assetsOf(nodeBinaries, '1.36.4', 'arm64');
  const urls = assets.map(({ host, path }) => `https://${host}/${path}`);
  expect(urls).toEqual([
    'https://github.com/etcd-io/etcd/releases/download/v3.6.14/etcd-v3.6.14-linux-arm64.tar.gz',
    ...[
      'kube-apiserver',
      'kube-controller-manager',
      'kube-scheduler',
      'kubelet',
      'kube-proxy',
      'kubectl',
    ].map((name) => `https://dl.k8s.io/release/v1.36.4/bin/linux/arm64/${name}`),
    'https://github.com/containerd/containerd/releases/download/v2.3.4/containerd-static-2.3.4-linux-arm64.tar.gz',
    'https://github.com/opencontainers/runc/releases/download/v1.4.3/runc.arm64',
    'https://github.com/containernetworking/plugins/releases/download/v1.9.1/cni-plugins-linux-arm64-v1.9.1.tgz',
  ]);
  expect(unpublished.map(({ name }) => name)).toContain('catatonit');
  expect(assets[0]?.checksums).toEqual(['etcd-io/etcd/releases/download/v3.6.14/SHA256SUMS']);
});

test.each([
  ['1.20', '1.10.1'],
  ['1.36', '1.14.7'],
])('Kubernetes %s has CoreDNS %s', (kubernetes, version) => {
  const { assets } = assetsOf([coreDnsBinary], `${kubernetes}.4`, 'amd64');
  const release = `coredns/coredns/releases/download/v${version}/coredns_${version}_linux_amd64.tgz`;
  expect(assets).toMatchObject([{ path: release, checksums: [`${release}.sha256`] }]);
});

test.each(['1.19', '1.38.0', '1.99', '2.0'])('%s is not known, and the message says what is', (version) => {
  expect(() => pairingOf(version)).toThrow(
    `does not know what Kubernetes ${version} runs with: it knows 1.20 to 1.37`,
  );
});

test('a kubelet and a containerd need a protocol in common', () => {
  expect(cannotPair('1.22.17', '2.3.4')).toMatch(/no CRI v1alpha2/);
  expect(cannotPair('1.26.0', '1.5.18')).toMatch(/no CRI v1,/);
  expect(cannotPair('1.23.0', '2.3.4')).toBeUndefined();
  expect(cannotPair('1.37.1', '1.6.20~ds1')).toBeUndefined();
});
