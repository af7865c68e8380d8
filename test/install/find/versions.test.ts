import { readFile, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { nodeBinaries } from '../../../src/install/find/binaries.ts';
import { versionOf, versionsOf } from '../../../src/install/find/versions.ts';
import { tempDir } from '../../support/cli.ts';

const tool = { name: 'tool', versionArgs: ['--version'] };

const script = async (file: string, body: string) => writeFile(file, `#!/bin/sh\n${body}\n`, { mode: 0o755 });

test.each([
  ['etcd', 'etcd Version: 3.4.23\nGit SHA: abc\nGo Version: go1.19.8', '3.4.23'],
  ['kubelet', 'Kubernetes v1.20.2', '1.20.2'],
  [
    'kubectl',
    'Client Version: version.Info{Major:"1", Minor:"20", GitVersion:"v1.20.2", GitCommit:"f"}',
    '1.20.2',
  ],
  ['kubectl', 'Client Version: v1.36.2\nKustomize Version: v5.7.1', '1.36.2'],
  ['containerd', 'containerd github.com/containerd/containerd 1.6.20~ds1 1.6.20~ds1-1+deb12u3', '1.6.20~ds1'],
  ['containerd', 'containerd github.com/containerd/containerd/v2 v2.1.4 75cb2b7', '2.1.4'],
  ['ip', 'ip utility, iproute2-6.1.0, libbpf 1.1.2', '6.1.0'],
  ['iptables', 'iptables v1.8.9 (nf_tables)', '1.8.9'],
  ['nsenter', 'nsenter from util-linux 2.38', '2.38'],
  ['catatonit', 'tini version 0.1.7_catatonit', '0.1.7_catatonit'],
])('%s that prints "%s" is version %s', async (name, answer, version) => {
  const file = join(await tempDir('versions'), name);
  await script(file, `cat <<'END'\n${answer}\nEND`);
  const binary = nodeBinaries.find((each) => each.name === name) ?? tool;
  expect(await versionOf(binary, file)).toBe(version);
});

test('in a folder of plugins the first one is run', async () => {
  const dir = await tempDir('versions');
  await script(join(dir, 'bridge'), 'echo "CNI bridge plugin v1.7.1" >&2');
  const binary = nodeBinaries.find(({ name }) => name === 'cni') ?? tool;
  expect(await versionOf(binary, dir)).toBe('1.7.1');
});

test('a binary that prints something else is refused with the command and its output', async () => {
  const file = join(await tempDir('versions'), 'tool');
  await script(file, 'echo "unknown flag: $1" >&2; exit 2');
  await expect(versionOf(tool, file)).rejects.toMatchObject({
    code: 'install',
    message: `tool does not print its version\n$ ${file} --version\nunknown flag: --version`,
  });
});

test('a binary is run again only when it has changed', async () => {
  const dir = await tempDir('versions');
  const [file, runs, cache] = [join(dir, 'tool'), join(dir, 'runs'), join(dir, 'cache', 'versions.json')];
  const found = new Map([['tool', { path: file, from: 'path' }]] as const);
  const versions = async () => [...(await versionsOf([tool], { found, missing: [] }, cache))];
  await script(file, `echo run >> ${runs}; echo 1.0`);
  expect(await versions()).toEqual([['tool', '1.0']]);
  expect(await versions()).toEqual([['tool', '1.0']]);
  expect(await readFile(runs, 'utf8')).toBe('run\n');

  await script(file, `echo run >> ${runs}; echo 2.0`);
  await utimes(file, new Date(), new Date(1e12));
  expect(await versions()).toEqual([['tool', '2.0']]);
  // A torn cache is as good as none.
  await writeFile(cache, '{"');
  expect(await versions()).toEqual([['tool', '2.0']]);
});
