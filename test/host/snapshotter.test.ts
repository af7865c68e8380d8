import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { execa } from 'execa';
import { expect, onTestFinished, test } from 'vitest';
import { until } from '../../probes/until.ts';
import { configWithoutFile } from '../../src/config/loadConfig.ts';
import { chooseSnapshotter } from '../../src/host/snapshotter.ts';
import type { Snapshotter } from '../../src/host/snapshotter.ts';
import { differencesOf } from '../../src/kubernetes/components/differences.ts';
import { containerd } from '../../src/kubernetes/components/containerd.ts';
import type { NodeFacts } from '../../src/kubernetes/facts.ts';
import { imageStore } from '../../src/kubernetes/images/imageStore.ts';
import { nodePaths } from '../../src/lib/paths.ts';
import { busyboxArchive } from '../support/busybox.ts';
import { testBinaries } from '../support/installBinaries.ts';
import { tempDir } from '../support/cli.ts';

const signal = new AbortController().signal;

/** A folder on an overlay, like the root of a container. */
async function onOverlay(): Promise<string> {
  const dir = await tempDir('overlay');
  const folders = ['lower', 'upper', 'work', 'merged'];
  for (const folder of folders) await mkdir(join(dir, folder));
  const options = 'lowerdir=lower,upperdir=upper,workdir=work';
  await execa('mount', ['--no-mtab', '-t', 'overlay', '-o', options, 'overlay', 'merged'], { cwd: dir });
  onTestFinished(async () => void (await execa('umount', ['--no-mtab', join(dir, 'merged')])));
  return join(dir, 'merged');
}

/** Starts the node's containerd on the folder, in a new network namespace. Resolves when CRI is ready. */
async function startContainerd(data: string, snapshotter: Snapshotter) {
  const programs = await testBinaries('containerd', 'ctr');
  const paths = { ...nodePaths('snapshotter-test', data), run: data, containerdSocket: join(data, 's.sock') };
  const config = { ...(await configWithoutFile()).node, pauseImage: 'pause:1' };
  const facts = {
    config,
    paths,
    programs,
    cniBinDir: '/nowhere',
    snapshotter,
    differences: differencesOf({ kubernetes: '1.20.2', etcd: '3.4.23', containerd: '1.6.20' }),
    env: {},
  } as unknown as NodeFacts;
  const { command, ready } = containerd(facts, []);
  const { file, args } = typeof command === 'function' ? await command() : command;
  const inNetwork = ['--net', 'sh', '-c', 'ip link set lo up; exec "$@"', 'sh', file, ...args];
  const child = spawn('unshare', inNetwork, { stdio: 'ignore' });
  onTestFinished(async () => {
    child.kill('SIGTERM');
    if (child.exitCode === null) await once(child, 'exit');
  });
  await until(ready, { timeoutMs: 20_000 }, signal);
  return { ctr: programs.ctr, socket: paths.containerdSocket };
}

test.for([
  { where: 'an overlay', folder: onOverlay, chosen: 'native' },
  { where: 'a disk', folder: async () => tempDir('no-overlay'), chosen: 'overlayfs' },
])('on $where containerd works and unpacks images with $chosen', async ({ folder, chosen }) => {
  const data = await folder();
  const snapshotter = await chooseSnapshotter(data);
  expect(snapshotter).toBe(chosen);
  const { ctr, socket } = await startContainerd(data, snapshotter);
  const store = imageStore({ ctr, socket, env: { CONTAINERD_SNAPSHOTTER: snapshotter } });
  await store.load(await busyboxArchive(await tempDir('image'), 'app:1'));
  const ask = ['--address', socket, '--namespace', 'k8s.io', 'snapshots', '--snapshotter', snapshotter];
  const { stdout: layers } = await execa(ctr, [...ask, 'list']);
  expect(layers).toMatch(/^sha256:\w+ +Committed/m);
  // ctr prints the command that mounts the root of a container.
  const layer = /^sha256:\w+/m.exec(layers)?.[0] ?? '';
  const place = await tempDir('rootfs');
  const { stdout: mount } = await execa(ctr, [...ask, 'prepare', '--target', place, 'container', layer]);
  const { stdout: programs } = await execa('unshare', ['--mount', 'sh', '-ec', `${mount}\nls ${place}/bin`]);
  expect(programs.split('\n')).toContain('busybox');
});
