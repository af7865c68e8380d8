import { chmod, link, readdir, readFile, rm, stat, symlink, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { execa } from 'execa';
import { beforeAll, beforeEach, expect, onTestFinished, test, vi } from 'vitest';
import { installBundle, writeBundle } from '../../src/install/bundle.ts';
import { nodeBinaries } from '../../src/install/find/binaries.ts';
import { install } from '../../src/install/install.ts';
import { releaseArch } from '../../src/install/release/assets.ts';
import type { ReleaseArch } from '../../src/install/release/assets.ts';
import { publisherClient } from '../../src/install/release/client.ts';
import { remoteRepository } from '../../src/install/release/repository.ts';
import { tempDir } from '../support/cli.ts';
import { publish, releaseServer } from '../support/releaseServer.ts';
import type { Published } from '../support/releaseServer.ts';

const arch = releaseArch();
const version = '1.36.99';
const binaries = nodeBinaries.filter((binary) => 'release' in binary && binary.release !== 'catatonit');

let files: Published;
let dir: string;
let cacheDir: string;
let image: string;

beforeAll(async () => {
  files = await publish(version);
});

beforeEach(async () => {
  vi.stubEnv('K8S_SINGLE_OWN_BUILDS', '1');
  onTestFinished(() => void vi.unstubAllEnvs());
  dir = await tempDir('bundle');
  [cacheDir, image] = [join(dir, 'cache'), join(dir, 'app.tar')];
  await writeFile(image, 'an image');
});

const quiet = { onProgress: () => undefined, signal: new AbortController().signal };

async function bundle(target: ReleaseArch = arch, from: Published = files): Promise<string> {
  const server = await releaseServer(from);
  const file = join(dir, 'k8s.tar');
  const repository = remoteRepository(publisherClient(server.url, { retries: 0 }));
  await writeBundle(file, { kubernetes: version, arch: target, images: [image], repository, ...quiet });
  return file;
}

const installFrom = async (file: string) => await installBundle(file, { cacheDir, ...quiet });

/** Everything in the cache but the lock and the log of the installation. */
const inCache = async (): Promise<string[]> =>
  (await readdir(cacheDir, { recursive: true }).catch(() => [])).filter(
    (name) => !['lock', 'install.log', 'release'].includes(name),
  );

/** The bundle with something changed in it. */
async function changed(file: string, change: (content: string) => Promise<unknown>): Promise<string> {
  const content = await tempDir('content');
  await execa('tar', ['-xf', file, '-C', content]);
  await change(content);
  await execa('tar', [
    '-cSf',
    file,
    '-C',
    content,
    'k8s-single-bundle.json',
    'dl.k8s.io',
    'github.com',
    'images',
  ]);
  return file;
}

test('a bundle installs what a download does, and its images', async () => {
  const file = await bundle();
  expect(await readdir(dir)).toEqual(['app.tar', 'k8s.tar']);
  expect(await installFrom(file)).toBe(version);
  const { versions, files: found } = await install({
    binDirs: [],
    path: '',
    cacheDir,
    binaries,
    kubernetes: version,
    noInstall: true,
  });
  expect(versions.kubelet).toBe(version);
  expect(await readFile(found.runc)).toEqual(
    files.get(`github.com/opencontainers/runc/releases/download/v1.4.3/runc.${arch}`),
  );
  expect(await readFile(join(cacheDir, 'images/app.tar'), 'utf8')).toBe('an image');
  expect((await inCache()).filter((name) => name.includes('.bundle') || name.includes('.partial'))).toEqual(
    [],
  );
});

test('an unpacked bundle is a mirror, with the published checksums', async () => {
  const content = await tempDir('mirror');
  await execa('tar', ['-xf', await bundle(), '-C', content]);
  const mirror = new Map<string, Buffer>();
  for (const name of await readdir(content, { recursive: true })) {
    if ((await stat(join(content, name))).isFile()) mirror.set(name, await readFile(join(content, name)));
  }
  const server = await releaseServer(mirror);
  const options = { binDirs: [], path: '', cacheDir, binaries, kubernetes: version, mirror: server.url };
  expect((await install({ ...options, source: 'release' })).versions.etcd).toBe('3.6.14');
});

test('a bundle may be gzipped', async () => {
  await execa('gzip', [await bundle()]);
  expect(await installFrom(join(dir, 'k8s.tar.gz'))).toBe(version);
});

test.each([0.001, 0.2, 0.5, 0.9, 0.985])(
  'a bundle cut after %d of it is refused, and the cache stays as it was',
  async (share) => {
    const file = await bundle();
    await truncate(file, Math.floor((await stat(file)).size * share));
    await expect(installFrom(file)).rejects.toMatchObject({
      code: 'install',
      message: expect.stringMatching(/is damaged or incomplete: |is no bundle of k8s-single/),
      hint: expect.stringMatching(/sha256sum|--bundle/),
    });
    expect(await inCache()).toEqual([]);
  },
);

test('a bundle for another architecture is refused with how to make one', async () => {
  const other = arch === 'amd64' ? 'arm64' : 'amd64';
  const file = await bundle(other, await publish(version, undefined, other));
  await expect(installFrom(file)).rejects.toMatchObject({
    code: 'install',
    message: `the bundle ${file} is for ${other}, this machine is ${arch}`,
    hint: `make one for it: k8s-single install --bundle FILE --arch ${arch}`,
  });
  expect(await inCache()).toEqual([]);
});

const kubelet = `dl.k8s.io/release/v${version}/bin/linux/${arch}/kubelet`;

test.each([
  [
    'a changed program',
    async (content: string) =>
      writeFile(join(content, kubelet), (await readFile(join(content, kubelet))).fill(7, 50_000, 50_001)),
    /^kubelet 1\.36\.99 from .* is not what was published: its SHA-256|kubelet is not what was packed/,
  ],
  [
    'a shorter program',
    async (content: string) => truncate(join(content, kubelet), 1000),
    /kubelet has 1000 bytes, not/,
  ],
  ['no program', async (content: string) => execa('rm', [join(content, kubelet)]), /kubelet is missing$/],
  [
    'a changed image',
    async (content: string) => writeFile(join(content, 'images/app.tar'), 'AN IMAGE'),
    /images\/app\.tar is not what was packed$/,
  ],
  [
    'a changed checksum',
    async (content: string) => writeFile(join(content, `${kubelet}.sha256`), '0'.repeat(64)),
    /kubelet\.sha256 is not what was packed$/,
  ],
  [
    'no manifest',
    async (content: string) => writeFile(join(content, 'k8s-single-bundle.json'), '{}'),
    /is no bundle of k8s-single/,
  ],
])('%s is refused, and the cache stays as it was', async (_name, change, message) => {
  const file = await changed(await bundle(), change);
  await expect(installFrom(file)).rejects.toMatchObject({
    code: 'install',
    message: expect.stringMatching(message),
    hint: expect.stringMatching(/.+/),
  });
  expect(await inCache()).toEqual([]);
});

test.each([
  ['a file of something else', 'hello', /is no bundle of k8s-single/],
  ['no file', undefined, /^cannot read the bundle /],
])('%s is refused', async (_name, text, message) => {
  const file = join(dir, 'x.tar');
  if (text !== undefined) await writeFile(file, text);
  await expect(installFrom(file)).rejects.toMatchObject({
    code: 'install',
    message: expect.stringMatching(message),
  });
  expect(await inCache()).toEqual([]);
});

test('a manifest that names files outside of it is refused', async () => {
  const file = await changed(await bundle(), async (content) => {
    const manifest = join(content, 'k8s-single-bundle.json');
    await writeFile(manifest, (await readFile(manifest, 'utf8')).replace('images/app.tar', '../../app.tar'));
  });
  await expect(installFrom(file)).rejects.toThrow('is no bundle of k8s-single');
});

test('a bundle without pins of its own builds is not taken for an official one', async () => {
  const file = await bundle();
  vi.stubEnv('K8S_SINGLE_OWN_BUILDS', '');
  await expect(installFrom(file)).rejects.toThrow(
    /is not what was published: .* \(pinned in this k8s-single\)/,
  );
  expect(await inCache()).toEqual([]);
});

test('two images of one name are refused', async () => {
  const server = await releaseServer(files);
  const repository = remoteRepository(publisherClient(server.url));
  const options = { kubernetes: version, arch, images: [image, image], repository, ...quiet };
  await expect(writeBundle(join(dir, 'k8s.tar'), options)).rejects.toThrow('two images are called app.tar');
  expect(await readdir(dir)).toEqual(['app.tar']);
});

test('when a download fails, there is no bundle and nothing else', async () => {
  const broken = new Map(files);
  broken.delete(kubelet);
  await expect(bundle(arch, broken)).rejects.toThrow('HTTP 404');
  expect(await readdir(dir)).toEqual(['app.tar']);
});

/** A bundle in which `change` has made something that no bundle of ours has; tar packs it as it is. */
test.each([
  [
    'a link to a program of its own',
    async (content: string) => {
      await execa('mv', [join(content, kubelet), join(content, 'images/kubelet')]);
      await symlink('../../../../../../images/kubelet', join(content, kubelet));
    },
    /kubelet is no plain file$/,
  ],
  [
    'a link out of it',
    async (content: string) => {
      await rm(join(content, kubelet));
      await symlink('/etc/hostname', join(content, kubelet));
    },
    /kubelet is no plain file$/,
  ],
  [
    'a hard link',
    async (content: string) => link(join(content, 'images/app.tar'), join(content, 'images/other.tar')),
    /images\/(?:app|other)\.tar is no plain file$/,
  ],
  [
    'a folder that is a link',
    async (content: string) => symlink('/etc', join(content, 'images/etc')),
    /images\/etc is no plain file$/,
  ],
  [
    'a device',
    async (content: string) => execa('mknod', [join(content, 'images/null'), 'c', '1', '3']),
    /images\/null is no plain file$/,
  ],
  [
    'a pipe as manifest',
    async (content: string) => {
      await rm(join(content, 'k8s-single-bundle.json'));
      await execa('mkfifo', [join(content, 'k8s-single-bundle.json')]);
    },
    /is no bundle of k8s-single/,
  ],
  [
    'a sparse file of a terabyte',
    async (content: string) => {
      await truncate(join(content, 'images/app.tar'), 2 ** 40);
      const path = join(content, 'k8s-single-bundle.json');
      const manifest = JSON.parse(await readFile(path, 'utf8')) as {
        files: { path: string; bytes: number }[];
      };
      manifest.files.find((each) => each.path === 'images/app.tar')!.bytes = 2 ** 40;
      await writeFile(path, JSON.stringify(manifest));
    },
    /there is no room for it$/,
  ],
])('a hostile bundle with %s is refused, and nothing of it is left', async (_name, change, message) => {
  const file = await changed(await bundle(), change);
  await expect(installFrom(file)).rejects.toMatchObject({
    code: 'install',
    message: expect.stringMatching(message),
  });
  expect(await inCache()).toEqual([]);
});

test('a member of a bundle with a path out of it is written nowhere', async () => {
  const file = await bundle();
  const evil = join(dir, 'evil');
  await writeFile(evil, 'evil');
  for (const name of ['../../../escaped', `${dir}/escaped`])
    await execa('tar', ['-rPf', file, '--transform', `s,.*,${name},`, evil]);
  await installFrom(file).catch(() => undefined);
  expect((await readdir(dir, { recursive: true })).filter((name) => name.endsWith('escaped'))).toEqual([]);
});

test('programs of a bundle have no bit of setuid', async () => {
  const file = await changed(await bundle(), async (content) => chmod(join(content, kubelet), 0o6777));
  await installFrom(file);
  const name = (await inCache()).find((each) => each.endsWith('/kubelet'));
  expect(((await stat(join(cacheDir, name!))).mode & 0o7777).toString(8)).toBe('755');
});
