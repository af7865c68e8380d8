import { once } from 'node:events';
import { mkdir, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { spawn } from 'node:child_process';
import { execa } from 'execa';
import { expect, it, onTestFinished } from 'vitest';
import { unix } from '../../../probes/kinds/unix.ts';
import { until } from '../../../probes/until.ts';
import type { NodeFacts } from '../../../src/kubernetes/facts.ts';
import { imagePlaces, importImages } from '../../../src/kubernetes/images/images.ts';
import { busyboxArchive, testBinaries } from '../../support/busybox.ts';
import { tempDir } from '../../support/cli.ts';

const signal = new AbortController().signal;

/** A containerd that keeps images and does nothing else. */
async function startContainerd() {
  const dir = await tempDir('images');
  const { containerd, ctr } = await testBinaries();
  const socket = join(dir, 'containerd.sock');
  await writeFile(
    join(dir, 'config.toml'),
    `version = 2
root = "${dir}/root"
state = "${dir}/state"
disabled_plugins = ["io.containerd.grpc.v1.cri", "io.containerd.internal.v1.opt"]
[grpc]
  address = "${socket}"
`,
  );
  const child = spawn(containerd, ['--config', join(dir, 'config.toml')], { stdio: 'ignore' });
  onTestFinished(async () => {
    child.kill('SIGTERM');
    if (child.exitCode === null) await once(child, 'exit');
  });
  await until(unix(socket), { timeoutMs: 20_000 }, signal);
  return { dir, ctr, socket };
}

it('imports what is new, has changed or is lost, and nothing else', async () => {
  const { dir, ctr, socket } = await startContainerd();
  const folder = join(dir, 'images');
  await mkdir(folder);
  const archive = await busyboxArchive(folder, 'app:1');
  const paths = { containerd: dir, containerdSocket: socket };
  const facts = { images: [archive], paths, programs: { ctr }, env: {} } as unknown as NodeFacts;
  /** What the task says that it imports. */
  const run = async (): Promise<string[]> => {
    const said: string[] = [];
    await importImages(facts, signal, (reason) => said.push(reason));
    return said;
  };
  const stored = async (...args: string[]): Promise<string> =>
    (await execa(ctr, ['--address', socket, '--namespace', 'k8s.io', 'images', ...args])).stdout;

  expect(await run()).toEqual([`importing ${archive}`]);
  expect(await stored('list', '--quiet')).toBe('docker.io/library/app:1');
  expect(await run()).toEqual([]);
  await utimes(archive, 1, 1);
  expect(await run()).toEqual([`importing ${archive}`]);
  await stored('rm', 'docker.io/library/app:1');
  expect(await run()).toEqual([`importing ${archive}`]);
  expect(await stored('list', '--quiet')).toBe('docker.io/library/app:1');

  await writeFile(join(dir, 'imported.json'), '{"cut');
  expect(await run()).toEqual([`importing ${archive}`]);
  await writeFile(archive, 'no archive at all');
  await expect(run()).rejects.toMatchObject({ code: 'usage', message: expect.stringContaining(archive) });
});

it('finds what is named and what lies in the folder, hidden files left out', async () => {
  const dir = await tempDir('images');
  await Promise.all(['b.tar', 'a.tar.gz', '.part'].map(async (name) => writeFile(join(dir, name), '')));
  expect(imagePlaces(['/x.tar'], dir)).toEqual(['/x.tar', join(dir, 'a.tar.gz'), join(dir, 'b.tar')]);
  expect(imagePlaces([], join(dir, 'none'))).toEqual([]);
});
