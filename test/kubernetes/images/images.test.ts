import { randomBytes } from 'node:crypto';
import { mkdir, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { execa } from 'execa';
import { describe, expect, it, onTestFinished } from 'vitest';
import type { NodeFacts } from '../../../src/kubernetes/facts.ts';
import { imagePlaces, importImages } from '../../../src/kubernetes/images/images.ts';
import { fullName, imageStore } from '../../../src/kubernetes/images/imageStore.ts';
import { pinnedImages } from '../../../src/kubernetes/images/pinnedImages.ts';
import { busyboxArchive } from '../../support/busybox.ts';
import { tempDir } from '../../support/cli.ts';
import { startContainerd as startContainerdIn } from '../../support/containerd.ts';
import { ociLayout, platform } from '../../support/ociLayout.ts';
import { member, tarOf } from '../../support/tar.ts';

const signal = new AbortController().signal;
const config = { kubelet: {} };

async function startContainerd() {
  const dir = await tempDir('images');
  const { ctr, socket, stop } = await startContainerdIn(dir);
  onTestFinished(stop);
  return { dir, ctr, socket };
}

it('imports places that are new, have changed or lost their images, and no others', async () => {
  const { dir, ctr, socket } = await startContainerd();
  const folder = join(dir, 'images');
  await mkdir(folder);
  const archive = await busyboxArchive(folder, 'app:1');
  const paths = { containerd: dir, containerdSocket: socket, pinnedImages: join(dir, 'pinned') };
  const facts = { images: [archive], paths, programs: { ctr }, env: {}, config } as unknown as NodeFacts;
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

  for (const damaged of ['{"cut', 'null', JSON.stringify({ [archive]: { fingerprint: 'x', images: 'y' } })]) {
    await writeFile(join(dir, 'imported.json'), damaged);
    expect(await run()).toEqual([`importing ${archive}`]);
  }
  await writeFile(archive, 'no archive at all');
  await expect(run()).rejects.toMatchObject({ code: 'usage', message: expect.stringContaining(archive) });
});

it('imports again what is collected as garbage meanwhile, once', async () => {
  const { dir, ctr, socket } = await startContainerd();
  const archive = await busyboxArchive(dir, 'app:1');
  // As ctr says it when containerd removes what an import has left that was killed.
  const often = async (times: number): Promise<string> => {
    const program = join(dir, `ctr-${times}`);
    const count = `${program}.count`;
    const script =
      `#!/bin/sh\ncase "$*" in *" import "*) echo >> ${count}; if [ $(wc -l < ${count}) -le ${times} ]; then cat > /dev/null; ` +
      `echo 'ctr: content digest sha256:1f: not found' >&2; exit 1; fi;; esac\nexec ${ctr} "$@"\n`;
    await writeFile(program, script, { mode: 0o755 });
    return program;
  };
  const load = async (program: string) => imageStore({ ctr: program, socket }).load(archive, signal);
  expect(await load(await often(1))).toEqual(['docker.io/library/app:1']);
  await expect(load(await often(2))).rejects.toThrow('content digest sha256:1f: not found');
});

it('refuses a place of a config that nobody may ever write to, and does not wait for it', async () => {
  const { dir, ctr, socket } = await startContainerd();
  const pipe = join(dir, 'pipe');
  await execa('mkfifo', [pipe]);
  const paths = { containerd: dir, containerdSocket: socket, pinnedImages: join(dir, 'pinned') };
  const facts = { images: [pipe], paths, programs: { ctr }, env: {}, config } as unknown as NodeFacts;
  await expect(importImages(facts, signal, () => undefined)).rejects.toMatchObject({
    code: 'usage',
    message: `${pipe} is no image: it is neither a file nor a folder`,
  });
});

it.for([
  {
    what: 'a large file that is no archive',
    content: Buffer.alloc(8_000_000, 'x'),
    reason: 'cannot be imported: ctr: ',
  },
  {
    what: 'a truncated gzip',
    // A tar in it, as in a download that was cut off: with anything else, ctr may refuse the content before that ends.
    content: gzipSync(tarOf(member({ name: 'layer', content: randomBytes(200_000) }))).subarray(0, 150_000),
    reason: 'is damaged: unexpected end',
  },
])('refuses $what with the reason', async ({ content, reason }) => {
  const { dir, ctr, socket } = await startContainerd();
  const archive = join(dir, 'app.tar.gz');
  await writeFile(archive, content);
  const refused = imageStore({ ctr, socket }).load(archive);
  await expect(refused).rejects.toMatchObject({ code: 'usage' });
  await expect(refused).rejects.toThrow(`${archive} ${reason}`);
});

it('finds the named places and the files of the folder that are not hidden', async () => {
  const dir = await tempDir('images');
  await Promise.all(['b.tar', 'a.tar.gz', '.part'].map(async (name) => writeFile(join(dir, name), '')));
  expect(imagePlaces(['/x.tar'], dir)).toEqual(['/x.tar', join(dir, 'a.tar.gz'), join(dir, 'b.tar')]);
  expect(imagePlaces([], join(dir, 'none'))).toEqual([]);
});

const refName = 'org.opencontainers.image.ref.name';
const containerdName = 'io.containerd.image.name';

it('names the images of an archive in OCI layout as the kubelet looks for them', async () => {
  const { dir, ctr, socket } = await startContainerd();
  const layout = await ociLayout(join(dir, 'app'));
  const named = async (content: string, name: string, key = refName) => ({
    ...(await layout.image(content)),
    annotations: { [key]: name },
  });
  const a = await named('a', 'registry.example/team/app:1');
  await layout.finish([
    a,
    { ...a, annotations: { [refName]: 'registry.example/team/app:stable' } },
    await named('b', 'localhost/b:1'),
    await named('c', 'c:1'),
    await named('d', 'team/d'),
    await named('e', '2.0'),
    await named('f', 'docker.io/library/f:1', containerdName),
    { ...(await layout.image('z', { zstd: true })), annotations: { [refName]: 'localhost/zstd:1' } },
  ]);
  const names = [
    'docker.io/library/c:1',
    'docker.io/library/f:1',
    'docker.io/team/d:latest',
    'localhost/app:2.0',
    'localhost/b:1',
    'localhost/zstd:1',
    'registry.example/team/app:1',
    'registry.example/team/app:stable',
  ];
  const store = imageStore({ ctr, socket });
  for (const place of [await layout.archive(), layout.dir]) {
    expect((await store.load(place)).sort()).toEqual(names);
    expect((await store.list()).map(({ name }) => name).sort()).toEqual(names);
  }
});

it("imports this machine's part of a multi-platform index whose other parts are not in the archive", async () => {
  const { dir, ctr, socket } = await startContainerd();
  const layout = await ociLayout(join(dir, 'multi'));
  const mine = { ...(await layout.image('mine')), platform };
  const absent = (architecture: string, os: string, digit: string) => ({
    ...mine,
    digest: `sha256:${digit.repeat(64)}`,
    platform: { architecture, os },
  });
  const index = await layout.index([absent('s390x', 'linux', '1'), mine, absent('unknown', 'unknown', '2')]);
  await layout.finish([{ ...index, annotations: { [refName]: 'localhost/multi:1' } }]);
  expect(await imageStore({ ctr, socket }).load(await layout.archive())).toEqual(['localhost/multi:1']);
});

it('refuses an archive whose images have no name, also among the images of a node', async () => {
  const { dir, ctr, socket } = await startContainerd();
  const layout = await ociLayout(join(dir, 'anon'));
  await layout.finish([await layout.image('anonymous')]);
  const archive = await layout.archive();
  const expected = {
    code: 'usage',
    message: `${archive}: no image in the archive has a name, so no pod can use it`,
    hint: expect.stringContaining('docker save NAME:TAG'),
  };
  await expect(imageStore({ ctr, socket }).load(archive)).rejects.toMatchObject(expected);
  const paths = { containerd: dir, containerdSocket: socket, pinnedImages: join(dir, 'pinned') };
  const facts = { images: [archive], paths, programs: { ctr }, env: {}, config } as unknown as NodeFacts;
  await expect(importImages(facts, signal, () => undefined)).rejects.toMatchObject(expected);
});

it.each([
  ['app', 'docker.io/library/app:latest'],
  ['app:1', 'docker.io/library/app:1'],
  ['team/app:1', 'docker.io/team/app:1'],
  ['localhost/app', 'localhost/app:latest'],
  ['host:5000/app', 'host:5000/app:latest'],
  ['registry.example/app@sha256:1', 'registry.example/app@sha256:1'],
  ['docker.io/library/app:1', 'docker.io/library/app:1'],
])('%s is called %s in full', (name, full) => {
  expect(fullName(name)).toBe(full);
});

describe('a pinned image', () => {
  async function pinnedApp() {
    const { dir, ctr, socket } = await startContainerd();
    const folder = join(dir, 'app');
    await mkdir(folder);
    const store = imageStore({ ctr, socket });
    const pinned = pinnedImages({ ctr, socket }, join(dir, 'pinned'));
    await pinned.pin(await store.load(await busyboxArchive(folder, 'app:1')));
    const run = async (...args: string[]): Promise<string> =>
      (await execa(ctr, ['--address', socket, '--namespace', 'k8s.io', ...args])).stdout;
    const names = async (): Promise<string[]> => (await store.list()).map(({ name }) => name);
    return { dir, store, pinned, run, names };
  }
  const name = 'docker.io/library/app:1';

  it('has the label of CRI, and comes back when the kubelet has deleted it', async () => {
    const { pinned, run, names } = await pinnedApp();
    expect(await run('images', 'list', `name==${name}`)).toContain('io.cri-containerd.pinned=pinned');
    // As CRI's RemoveImage does.
    await run('images', 'rm', '--sync', name);
    expect(await names()).toEqual([]);
    expect(await pinned.restore(signal)).toEqual([]);
    expect(await names()).toEqual([name]);
    expect(await run('images', 'list', `name==${name}`)).toContain('io.cri-containerd.pinned=pinned');
    // With its layers: export reads all of its content.
    expect((await run('images', 'export', '--platform', 'linux', '-', name)).length).toBeGreaterThan(500_000);
  });

  it('goes with all of its content when it is removed, or replaced by another of its name', async () => {
    const { dir, store, pinned, run, names } = await pinnedApp();
    const [first] = await pinned.list();
    const layout = await ociLayout(join(dir, 'other'));
    await layout.finish([{ ...(await layout.image('other')), annotations: { [containerdName]: name } }]);
    await pinned.pin(await store.load(layout.dir));
    const [second] = await pinned.list();
    expect(second?.digest).not.toBe(first?.digest);
    // A removal starts the garbage collection, and waits for it.
    await run('images', 'tag', name, 'localhost/x:1');
    await run('images', 'rm', '--sync', 'localhost/x:1');
    expect(await run('content', 'ls', '--quiet')).not.toContain(first?.digest);
    await pinned.unpin(name);
    await store.remove(name);
    await pinned.restore(signal);
    expect(await names()).toEqual([]);
    expect(await run('content', 'ls', '--quiet')).toBe('');
  });

  it('is named when its content is gone', async () => {
    const { pinned, run } = await pinnedApp();
    const [image] = await pinned.list();
    await run('content', 'label', image!.digest, 'containerd.io/gc.root=');
    await run('images', 'rm', '--sync', name);
    expect(await pinned.restore(signal)).toEqual([name]);
    // A node with a damaged store must boot.
    expect(await pinned.list()).toEqual([]);
    expect(await pinned.restore(signal)).toEqual([]);
  });
});
