import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { execa } from 'execa';
import { expect, test } from 'vitest';
import { coreDnsBinary, imageBinaries, nodeBinaries } from '../../src/install/find/binaries.ts';
import type { BinarySpec } from '../../src/install/find/binaries.ts';
import { findBinaries } from '../../src/install/find/findBinaries.ts';
import { versionsOf } from '../../src/install/find/versions.ts';
import { defaultRelease, pairingOf } from '../../src/install/release/pairings.ts';
import { tempDir } from '../support/cli.ts';
import { fakeProgram, publish, releaseServer } from '../support/releaseServer.ts';

const image = join(import.meta.dirname, '../../image');
const text = async (file: string): Promise<string> => readFile(join(image, file), 'utf8');
const binaries: readonly BinarySpec[] = [...nodeBinaries, ...imageBinaries];

const lines = async (file: string): Promise<string[]> => (await text(file)).trim().split('\n');

test('the image contains every Debian package that a node and its smoke test need', async () => {
  const [always, local] = [await lines('packages'), await lines('packages.local')];
  const packagesOf = (some: readonly BinarySpec[]) =>
    some.flatMap(({ debianPackage }) => debianPackage ?? []).filter((name) => !always.includes(name));
  expect(packagesOf(binaries.filter(({ release }) => release === undefined))).toEqual([]);
  // What is released comes from Debian only where everything does.
  expect([...new Set(packagesOf(binaries))].toSorted()).toEqual(local);
});

test('no version of Kubernetes is in the Dockerfile: the default is that of the program', async () => {
  const recipe = await text('Dockerfile');
  expect(recipe).toMatch(/^ARG KUBERNETES_VERSION$/m);
  expect(recipe).not.toMatch(/\b1\.\d+\.\d+\b/);
  expect(recipe).not.toMatch(/dl\.k8s\.io|github\.com|curl/);
});

test.each([[], ['1.29.99']])(
  'the releases that the image has are those of `install`: %j',
  async (...args) => {
    const version = args[0] ?? defaultRelease;
    const server = await releaseServer(await publish(version));
    // What the image has from Debian.
    const machine = await tempDir('recipe-machine');
    for (const { name, ...binary } of nodeBinaries) {
      if ('release' in binary && binary.release !== 'catatonit') continue;
      const content = name === 'catatonit' ? await readFile('/sbin/ldconfig') : fakeProgram('1.0.0', 10);
      await writeFile(join(machine, name), content, { mode: 0o755 });
    }
    const target = join(await tempDir('recipe'), 'components');
    const env = { K8S_SINGLE_MIRROR: server.url, K8S_SINGLE_OWN_BUILDS: '1', K8S_SINGLE_BIN_DIR: machine };
    await execa('sh', ['release', join(image, '..'), target, ...args], { cwd: image, env });

    const path = [join(target, 'usr/local/bin'), join(target, 'opt/cni/bin')].join(':');
    const released: readonly BinarySpec[] = [...nodeBinaries, coreDnsBinary].filter(
      ({ name }) => name !== 'catatonit',
    );
    const wanted = released.filter((binary) => 'release' in binary);
    const result = findBinaries({ binDirs: [], path, cacheDirs: [], binaries: wanted });
    expect(result.missing.filter(({ name }) => name !== 'cni')).toEqual([]);
    const versions = await versionsOf(wanted, result, join(target, '../versions.json'));
    expect(versions.get('kubelet')).toBe(version);
    expect(versions.get('etcd')).toBe(pairingOf(version).etcd);
    expect(versions.get('coredns')).toBe(pairingOf(version).coredns);
    const programs = wanted.filter(({ name }) => name !== 'cni').map(({ name }) => name);
    expect((await readdir(join(target, 'usr/local/bin'))).toSorted()).toEqual(programs.toSorted());
    expect(await readdir(join(target, 'opt/cni/bin'))).toEqual(
      wanted.find(({ name }) => name === 'cni')?.files,
    );
    const { stdout } = await execa('find', [target, '-type', 'f', '!', '-perm', '0755']);
    expect(stdout).toBe('');
  },
);

test('the image keeps every CNI plugin that a node needs', async () => {
  const kept = [...(await text('prune')).matchAll(/! -name ([\w-]+)(?= .*-delete$)/gm)].map(
    ([, name]) => name,
  );
  const needed = binaries.find(({ name }) => name === 'cni')?.files ?? [];
  expect(kept).toEqual(expect.arrayContaining([...needed]));
});
