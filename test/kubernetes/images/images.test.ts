import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdir, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { spawn } from 'node:child_process';
import { gzipSync } from 'node:zlib';
import { execa } from 'execa';
import { expect, it, onTestFinished } from 'vitest';
import { unix } from '../../../probes/kinds/unix.ts';
import { until } from '../../../probes/until.ts';
import type { NodeFacts } from '../../../src/kubernetes/facts.ts';
import { imagePlaces, importImages } from '../../../src/kubernetes/images/images.ts';
import { imageStore } from '../../../src/kubernetes/images/imageStore.ts';
import { busyboxArchive } from '../../support/busybox.ts';
import { testBinaries } from '../../support/installBinaries.ts';
import { tempDir } from '../../support/cli.ts';

const signal = new AbortController().signal;

/** A containerd without CRI: it only stores images. */
async function startContainerd() {
  const dir = await tempDir('images');
  const { containerd, ctr } = await testBinaries('containerd', 'ctr');
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

it('imports places that are new, have changed or lost their images, and no others', async () => {
  const { dir, ctr, socket } = await startContainerd();
  const folder = join(dir, 'images');
  await mkdir(folder);
  const archive = await busyboxArchive(folder, 'app:1');
  const paths = { containerd: dir, containerdSocket: socket };
  const facts = { images: [archive], paths, programs: { ctr }, env: {} } as unknown as NodeFacts;
  /** Runs the task and resolves with its reports. */
  const run = async (): Promise<string[]> => {
    const reports: string[] = [];
    await importImages(facts, signal, (report) => reports.push(report));
    return reports;
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

it.for([
  { what: 'a large file that is no archive', content: Buffer.alloc(8_000_000, 'x'), reason: /: ctr: / },
  {
    what: 'a truncated gzip',
    content: gzipSync(randomBytes(200_000)).subarray(0, 150_000),
    reason: /unexpected end/,
  },
])('refuses $what with the reason', async ({ content, reason }) => {
  const { dir, ctr, socket } = await startContainerd();
  const archive = join(dir, 'app.tar.gz');
  await writeFile(archive, content);
  const refused = imageStore({ ctr, socket }).load(archive);
  await expect(refused).rejects.toMatchObject({ code: 'usage', message: expect.stringMatching(reason) });
  await expect(refused).rejects.toThrow(`${archive} cannot be imported: `);
});

it('finds the named places and the files of the folder that are not hidden', async () => {
  const dir = await tempDir('images');
  await Promise.all(['b.tar', 'a.tar.gz', '.part'].map(async (name) => writeFile(join(dir, name), '')));
  expect(imagePlaces(['/x.tar'], dir)).toEqual(['/x.tar', join(dir, 'a.tar.gz'), join(dir, 'b.tar')]);
  expect(imagePlaces([], join(dir, 'none'))).toEqual([]);
});
