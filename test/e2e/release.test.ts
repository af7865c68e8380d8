import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { coreDnsBinary, nodeBinaries } from '../../src/install/find/binaries.ts';
import { releaseArch } from '../../src/install/release/assets.ts';
import { debianRoot } from '../config/debianRoot.ts';
import { busyboxArchive, busyboxImage } from '../support/busybox.ts';
import { cli } from '../support/cli.ts';
import { testBinaries } from '../support/installBinaries.ts';
import { fakeProgram, publish, releaseServer } from '../support/releaseServer.ts';
import type { Published } from '../support/releaseServer.ts';
import { TestNode } from '../support/testNode.ts';

const version = '1.20.2';
const node = new TestNode('e2e-release');

/** All of it is on the file system of the caches: hundreds of megabytes. */
let dir: string;
let published: Published;
/** A folder with what a machine has itself: iptables, conntrack and pasta. */
let machine: string;
/** Of a node without CoreDNS: neither Debian 12 nor npm has one to publish here. */
let config: string;

beforeAll(async () => {
  dir = await mkdtemp('/var/tmp/k8s-single-e2e-release-');
  machine = join(dir, 'machine');
  await mkdir(machine);
  config = join(dir, 'config.yaml');
  await writeFile(config, 'dns: embedded\n');
  const unpublished = nodeBinaries.filter(
    (binary) => !('release' in binary) && binary.debianPackage !== 'mount',
  );
  const { root } = await debianRoot(['passt']);
  const tools = {
    ...(await testBinaries(...unpublished.map(({ name }) => name))),
    pasta: join(root, 'usr/bin/pasta'),
  };
  for (const [name, path] of Object.entries(tools)) {
    await writeFile(join(machine, name), `#!/bin/sh\nexec '${path}' "$@"\n`, { mode: 0o755 });
  }
  const programs = await testBinaries(
    ...nodeBinaries.filter((each) => 'release' in each).map(({ name }) => name),
  );
  published = await publish(version, async (name) => {
    // Debian has it in another package, and no node uses it.
    if (name === 'etcdctl') return fakeProgram('3.4.23');
    if (name === coreDnsBinary.name) return fakeProgram('1.10.1');
    const path = name in programs ? programs[name as keyof typeof programs] : join(programs.cni, name);
    return await readFile(path);
  });
  vi.stubEnv('K8S_SINGLE_OWN_BUILDS', '1');
  await node.remove();
});

afterAll(async () => {
  await node.remove();
  vi.unstubAllEnvs();
  await rm(dir, { recursive: true, force: true });
});

/** An empty cache, for every command from now on. */
async function emptyCache(name: string): Promise<string> {
  const cache = join(dir, name);
  await mkdir(cache);
  vi.stubEnv('XDG_CACHE_HOME', cache);
  return join(cache, 'k8s-single');
}

/** Everything that runs must come from this cache. */
async function checkBinaries(cache: string): Promise<void> {
  const { stdout } = await cli([
    'install',
    '--bin-dir',
    machine,
    '--kubernetes',
    version,
    '--output',
    'json',
  ]);
  const rows = String(stdout)
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as { type: string; name: string; path: string; version: string });
  const ours = rows.filter(({ name }) =>
    nodeBinaries.some((each) => each.name === name && 'release' in each && each.release !== 'catatonit'),
  );
  expect(ours.length).toBeGreaterThan(10);
  for (const { path } of ours) expect(path.startsWith(join(cache, 'release'))).toBe(true);
  expect(rows.find(({ name }) => name === 'kubelet')?.version).toBe(version);
  expect(await readdir(cache)).not.toContain('debian');
}

it('a node comes up with an empty cache from the server of releases alone', async () => {
  const server = await releaseServer(published);
  const cache = await emptyCache('cache-server');
  const from = ['--source', 'release', '--kubernetes', version, '--mirror', server.url, '--bin-dir', machine];
  await node.up(...from, '--config', config);
  expect(await node.kubectl('get', 'nodes', '--no-headers')).toMatch(/ Ready .* v1\.20\.2/);
  await checkBinaries(cache);
  const list = String((await cli(['install', '--list'])).stdout);
  for (const name of [
    'kubernetes-1\\.20\\.2',
    'etcd-3\\.5\\.33',
    'containerd-1\\.7\\.34',
    'catatonit-0\\.2\\.1',
  ]) {
    expect(list).toMatch(
      new RegExp(`^release/${name}-${releaseArch()} +[\\d.]+ [KM]iB .*\\be2e-release$`, 'm'),
    );
  }
  expect(list).not.toContain('coredns');
  await node.remove();

  // What is there is used without a server.
  server.close();
  await node.up('--kubernetes', version, '--bin-dir', machine, '--config', config);
  await node.remove();
});

it('a node comes up from a bundle, with its images', async () => {
  const server = await releaseServer(published);
  const image = await busyboxArchive(await mkdtemp(join(dir, 'image-')), busyboxImage);
  const file = join(dir, 'k8s.tar');
  const request = ['--kubernetes', version, '--mirror', server.url, '--image', image];
  const made = await cli(['install', '--bundle', file, ...request], { all: true });
  expect(made.exitCode, String(made.all)).toBe(0);
  server.close();

  const cache = await emptyCache('cache-bundle');
  const installed = await cli(['install', '--from', file, '--bin-dir', machine], { all: true });
  expect(installed.exitCode, String(installed.all)).toBe(0);
  await node.up('--no-install', '--bin-dir', machine, '--config', config);
  await checkBinaries(cache);
  const spec = {
    restartPolicy: 'Never',
    containers: [{ name: 'main', image: busyboxImage, command: ['cat', '/etc/hostname'] }],
  };
  await node.apply({ apiVersion: 'v1', kind: 'Pod', metadata: { name: 'bundled' }, spec });
  const done = '--for=jsonpath={.status.phase}=Succeeded';
  await node.kubectl('wait', '--timeout=60s', done, 'pod/bundled').catch(async () => {
    // kubectl 1.20 does not know jsonpath here.
    await vi.waitFor(
      async () =>
        expect(await node.kubectl('get', 'pod', 'bundled', '-o', 'jsonpath={.status.phase}')).toBe(
          'Succeeded',
        ),
      { timeout: 60_000, interval: 500 },
    );
  });
  expect(await node.kubectl('logs', 'bundled')).toContain('bundled');
});
