import { mkdir, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeEach, expect, onTestFinished, test, vi } from 'vitest';
import { debianTree } from '../../src/install/find/cacheLayout.ts';
import { binaryRows } from '../../src/install/find/binaryRows.ts';
import { install } from '../../src/install/install.ts';
import { kubernetesBinaries, nodeBinaries } from '../../src/install/find/binaries.ts';
import { sources } from '../../src/install/sources.ts';
import { tempDir } from '../support/cli.ts';

let dir: string;
let bin: string;
let path: string;
let cacheDir: string;

/** A program that prints its version, whatever its arguments. */
const tool = async (folder: string, name: string, version: string) => {
  await mkdir(folder, { recursive: true });
  await writeFile(join(folder, name), `#!/bin/sh\necho "CNI bridge plugin v${version}"\n`, { mode: 0o755 });
};

beforeEach(async () => {
  dir = await tempDir('install');
  [bin, path, cacheDir] = [join(dir, 'bin'), join(dir, 'path'), join(dir, 'cache')];
  await mkdir(path);
  for (const binary of nodeBinaries) {
    if ('files' in binary)
      for (const file of binary.files) await tool(join(bin, binary.name), file, '1.20.2');
    else await tool(bin, binary.name, '1.20.2');
  }
  // The one that has to be static, which no script is; it prints "ldconfig (GNU libc) 2.36".
  await symlink('/sbin/ldconfig', join(path, 'catatonit'));
});

test('binaries that exist are used, and nothing is installed', async () => {
  const { files, versions, from, searchPath } = await install({
    binDirs: [bin],
    path,
    cacheDir,
    noInstall: true,
  });
  expect(files.kubelet).toBe(join(bin, 'kubelet'));
  expect(files.cni).toBe(join(bin, 'cni'));
  expect(versions['kube-apiserver']).toBe('1.20.2');
  expect(from).toMatchObject({ etcd: 'bin-dir', catatonit: 'path' });
  expect(searchPath.split(':').slice(0, 2)).toEqual([bin, path]);
});

test('missing binaries are named when nothing may be installed', async () => {
  await expect(install({ binDirs: [], path, cacheDir, noInstall: true })).rejects.toMatchObject({
    code: 'install',
    message: expect.stringMatching(/^missing: etcd, kube-apiserver, (?!.*catatonit)/),
    hint: expect.stringContaining('--bin-dir'),
  });
});

test('the source debian names a version that it does not have', async () => {
  const options = { binDirs: [], path, cacheDir, source: 'debian', kubernetes: '1.36.2' } as const;
  await expect(install(options)).rejects.toMatchObject({
    code: 'install',
    message: 'Debian offers Kubernetes 1.20.2 only, not 1.36.2',
    hint: expect.stringContaining('--bin-dir'),
  });
});

test('a cache that cannot be written is a failure that says so', async () => {
  await writeFile(cacheDir, '');
  await expect(install({ binDirs: [], path, cacheDir: join(cacheDir, 'in') })).rejects.toMatchObject({
    code: 'install',
    message: expect.stringMatching(/^cannot use the cache: .*ENOTDIR/),
  });
});

test('a kubectl of PATH too far from the kube-apiserver is replaced by that of the cache', async () => {
  for (const name of kubernetesBinaries) await tool(bin, name, '1.25.0');
  const binaries = nodeBinaries.filter(({ name }) => name === 'kubectl' || name === 'kube-apiserver');
  const given = join(dir, 'given');
  await mkdir(given);
  await symlink(join(bin, 'kube-apiserver'), join(given, 'kube-apiserver'));
  await tool(debianTree(cacheDir).bin, 'kubectl', '1.24.9');
  const kubectl = async (version: string) => {
    await tool(path, 'kubectl', version);
    return (await install({ binDirs: [given], path, cacheDir, binaries })).from.kubectl;
  };
  expect(await kubectl('1.26.1')).toBe('path');
  expect(await kubectl('1.27.10')).toBe('cache');
});

test.each([
  ['1.27.10', ['kube-apiserver', 'kubectl'], 'cache'],
  ['1.21.3', ['kube-apiserver'], 'path'],
] as const)(
  'with kubectl %s in PATH and nothing else, %j are installed at once',
  async (version, names, from) => {
    await tool(path, 'kubectl', version);
    const binaries = nodeBinaries.filter(({ name }) => name === 'kubectl' || name === 'kube-apiserver');
    const orders: string[][] = [];
    const source = vi.spyOn(sources, 'debian').mockImplementation(async ({ missing }) => {
      orders.push(missing.map(({ name }) => name));
      const work = async () => {
        for (const { name } of missing) await tool(debianTree(cacheDir).bin, name, '1.20.2');
      };
      return [{ label: 'all', work }];
    });
    onTestFinished(() => source.mockRestore());
    const installed = await install({ binDirs: [], path, cacheDir, binaries, source: 'debian' });
    expect(orders).toEqual([names]);
    expect(installed.from).toEqual({ 'kube-apiserver': 'cache', kubectl: from });
  },
);

test('a containerd of PATH that does not fit the kubelet is left out, and one of --bin-dir is refused', async () => {
  const binaries = nodeBinaries.filter(({ name }) =>
    ['kube-apiserver', 'kubelet', 'containerd', 'containerd-shim-runc-v2', 'ctr'].includes(name),
  );
  const given = join(dir, 'given');
  await mkdir(given);
  for (const name of ['kube-apiserver', 'kubelet']) await symlink(join(bin, name), join(given, name));
  for (const name of ['containerd', 'containerd-shim-runc-v2', 'ctr']) {
    await tool(debianTree(cacheDir).bin, name, '1.6.20');
    await tool(path, name, '2.3.4');
  }
  const { from, versions } = await install({ binDirs: [given], path, cacheDir, binaries });
  expect(from).toMatchObject({ kubelet: 'bin-dir', containerd: 'cache', ctr: 'cache' });
  expect(versions.containerd).toBe('1.6.20');
  await tool(given, 'containerd', '2.3.4');
  await expect(install({ binDirs: [given], path, cacheDir, binaries })).rejects.toMatchObject({
    code: 'install',
    message: expect.stringMatching(/containerd cannot be used: containerd 2\.3\.4 has no CRI v1alpha2/),
  });
});

test('a component newer than the kube-apiserver is refused by its name', async () => {
  await tool(bin, 'kubelet', '1.21.0');
  await expect(install({ binDirs: [bin], path, cacheDir })).rejects.toMatchObject({
    code: 'install',
    message: `${join(bin, 'kubelet')} is version 1.21.0, newer than the kube-apiserver 1.20.2`,
  });
});

test('only the requested version is accepted', async () => {
  const options = { binDirs: [bin], path, cacheDir };
  await expect(install({ ...options, kubernetes: 'v1.20.2' })).resolves.toBeDefined();
  await expect(install({ ...options, kubernetes: '1.20.3' })).rejects.toMatchObject({
    code: 'install',
    message: `${join(bin, 'kube-apiserver')} is version 1.20.2, not 1.20.3`,
  });
});

test('doctor gets a row for each binary, the bad ones included', async () => {
  await writeFile(join(bin, 'etcd'), 'no program', { mode: 0o755 });
  const binaries = nodeBinaries.filter(({ name }) => ['etcd', 'kubelet', 'runc'].includes(name));
  await mkdir(join(dir, 'empty'));
  await symlink(join(bin, 'kubelet'), join(dir, 'empty', 'kubelet'));
  await symlink(join(bin, 'etcd'), join(dir, 'empty', 'etcd'));
  const etcd = join(dir, 'empty', 'etcd');
  expect(await binaryRows({ binDirs: [join(dir, 'empty')], path, cacheDir, binaries })).toEqual([
    expect.objectContaining({
      binary: 'etcd',
      problem: `${etcd} is not a program: neither ELF nor a script`,
    }),
    expect.objectContaining({ binary: 'kubelet', from: 'bin-dir', version: '1.20.2', problem: undefined }),
    expect.objectContaining({
      binary: 'runc',
      problem: 'missing',
      remedy: 'k8s-single install, or apt-get install runc',
    }),
  ]);
});
