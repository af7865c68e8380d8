import { createHash, randomBytes } from 'node:crypto';
import { constants, createReadStream } from 'node:fs';
import {
  copyFile,
  link,
  lstat,
  mkdir,
  open,
  readdir,
  readFile,
  rename,
  rm,
  stat,
  statfs,
  writeFile,
} from 'node:fs/promises';
import { basename, dirname, join, normalize, resolve } from 'node:path';
import { at, listAt, parseJson, textAt } from '../../probes/transport/json.ts';
import { Failure, reasonOf } from '../lib/errors.ts';
import { hasErrorCode } from '../lib/systemError.ts';
import { assertReplaceable } from '../lib/outputFile.ts';
import { formatBytes } from '../lib/text/text.ts';
import { version as programVersion } from '../lib/version.ts';
import { diskFailure, fullDisk } from './diskFailure.ts';
import { publishedBinaries } from './find/binaries.ts';
import { cacheImagesDir, releasesDir } from './find/cacheLayout.ts';
import { installLocked } from './installMissing.ts';
import { hasOwnBuilds, releaseArch } from './release/assets.ts';
import type { ReleaseArch } from './release/assets.ts';
import { fetchAssets, installAssets } from './release/installAssets.ts';
import { exactVersion, assetsOf } from './release/release.ts';
import type { Repository } from './release/repository.ts';
import { runner } from './run.ts';
import type { Run } from './run.ts';
import { runSteps } from './steps.ts';
import type { OnProgress, ReportFor } from './steps.ts';

/*
 * A bundle is a tar archive, gzipped or not, with the layout of a mirror: `dl.k8s.io/...` and `github.com/...` with the published
 * files and their checksums, `images/` with archives of images, and first of all a manifest. So it is checked as a download is.
 */

const manifestName = 'k8s-single-bundle.json';
/** One has about 6 KiB. */
const maxManifestBytes = 2 ** 20;

interface Manifest {
  /** Of this format. */
  readonly version: 1;
  /** The program that made it. */
  readonly k8sSingle: string;
  readonly kubernetes: string;
  readonly arch: ReleaseArch;
  readonly files: readonly BundledFile[];
}

interface BundledFile {
  readonly path: string;
  readonly bytes: number;
  readonly sha256: string;
}

export interface WriteBundleOptions {
  readonly kubernetes: string;
  readonly arch: ReleaseArch;
  /** Archives of images to add. */
  readonly images: readonly string[];
  readonly repository: Repository;
  readonly onProgress: OnProgress;
  readonly signal: AbortSignal;
}

/**
 * Downloads all official releases for a version of Kubernetes, checks them, and writes them to one file, in one step.
 * @throws Failure `install`; nothing is left then. `usage` if something else than a file is there
 */
export async function writeBundle(file: string, options: WriteBundleOptions): Promise<void> {
  const { kubernetes, arch, images, repository, onProgress, signal } = options;
  const target = resolve(file);
  assertReplaceable(target);
  const temporary = `${target}.${randomBytes(6).toString('hex')}.tmp`;
  const [content, archive] = [join(temporary, 'content'), join(temporary, 'bundle.tar')];
  const { assets } = assetsOf(publishedBinaries, kubernetes, arch);
  try {
    await mkdir(content, { recursive: true });
    const run = runner({ logFile: join(temporary, 'log'), signal });
    const fetch = {
      label: `Kubernetes ${kubernetes} for ${arch}`,
      work: async (_report: unknown, reportFor: ReportFor) =>
        await fetchAssets(assets, temporary, { repository, signal, reportFor }, async (asset, from) => {
          await mkdir(dirname(join(content, asset.host, asset.path)), { recursive: true });
          await rename(from, join(content, asset.host, asset.path));
        }),
    };
    const pack = {
      label: basename(target),
      work: async () => {
        for (const { host, checksums } of assets)
          await addChecksums(content, host, checksums, repository, signal);
        for (const image of images) await addImage(content, image);
        const files = await describe(content, run);
        const manifest: Manifest = { version: 1, k8sSingle: programVersion(), kubernetes, arch, files };
        await writeFile(join(content, manifestName), `${JSON.stringify(manifest, undefined, 1)}\n`);
        const entries = [manifestName, ...new Set(files.map(({ path }) => path.split('/')[0] ?? ''))];
        const owner = ['--owner=0', '--group=0', '--numeric-owner'];
        const args = ['--create', ...owner, '--file', archive, '--directory', content, ...entries];
        await run('tar', args, { what: 'write the bundle' });
        await sync(archive);
        await rename(archive, target);
      },
    };
    await runSteps([fetch, pack], onProgress, signal);
  } catch (error) {
    throw diskFailure(error, target) ?? error;
  } finally {
    await rm(temporary, { recursive: true, force: true });
  }
}

/** Adds the published checksum files, as far as there are any: a later version may not have the pins of this one. */
async function addChecksums(
  content: string,
  host: string,
  paths: readonly string[],
  repository: Repository,
  signal: AbortSignal,
): Promise<void> {
  for (const path of paths) {
    const file = join(content, host, path);
    if ((await stat(file).catch(() => undefined)) !== undefined) return;
    const text = await repository.text(host, path, signal);
    if (text === undefined) continue;
    await writeFile(file, text);
    return;
  }
}

async function addImage(content: string, image: string): Promise<void> {
  const target = join(content, 'images', basename(image));
  await mkdir(dirname(target), { recursive: true });
  // Two images of one name would be one in the cache.
  await copyFile(image, target, constants.COPYFILE_EXCL).catch((cause: unknown) => {
    if (hasErrorCode(cause, 'EEXIST')) {
      throw new Failure('usage', `two images are called ${basename(image)}`, {
        hint: 'rename one of them',
        cause,
      });
    }
    if (!hasErrorCode(cause, 'ENOENT', 'EISDIR', 'EACCES', 'ENOTSUP')) throw cause;
    const hint = 'give an archive of docker save or in OCI layout';
    throw new Failure('usage', `cannot read the image ${image}: ${reasonOf(cause)}`, { hint, cause });
  });
}

async function describe(content: string, run: Run): Promise<BundledFile[]> {
  const list = await run('find', [content, '-type', 'f', '-printf', '%P\\n'], { what: 'list the files' });
  const files: BundledFile[] = [];
  for (const path of list.split('\n').filter(Boolean).sort()) {
    const file = join(content, path);
    files.push({ path, bytes: (await stat(file)).size, sha256: await digest(file, 'sha256') });
  }
  return files;
}

export interface InstallBundleOptions {
  readonly cacheDir: string;
  readonly onProgress: OnProgress;
  readonly signal: AbortSignal;
}

/**
 * Installs what a bundle has into the cache, checked as strictly as a download. Resolves with its version of Kubernetes.
 * @throws Failure `install` when it is damaged, or for another architecture; the cache is as before then
 */
export async function installBundle(
  file: string,
  { cacheDir, onProgress, signal }: InstallBundleOptions,
): Promise<string> {
  return await installLocked({ cacheDir, onProgress, signal }, async (run) => {
    const unpacked = join(releasesDir(cacheDir), '.bundle');
    try {
      // Left by a process that was killed.
      await rm(unpacked, { recursive: true, force: true });
      // Until it is checked, nobody else reaches what is in it, such as a device file or a program with setuid.
      await mkdir(unpacked, { recursive: true, mode: 0o700 });
      const manifest = await readManifest(file, unpacked, run);
      const { assets } = assetsOf(publishedBinaries, manifest.kubernetes, manifest.arch);
      const repository = bundleRepository(file, unpacked);
      const unpack = {
        label: basename(file),
        work: async () => {
          await extract(file, unpacked, [], run);
          await assertPlainFiles(file, unpacked);
          await verify(file, unpacked, manifest);
        },
      };
      const place = {
        label: `Kubernetes ${manifest.kubernetes}`,
        work: async (_report: unknown, reportFor: ReportFor) => {
          await installAssets(assets, cacheDir, { repository, signal, reportFor, run, atOnce: true });
          await placeImages(manifest, unpacked, cacheDir);
        },
      };
      await runSteps([unpack, place], onProgress, signal);
      return manifest.kubernetes;
    } catch (error) {
      throw diskFailure(error, unpacked) ?? error;
    } finally {
      await rm(unpacked, { recursive: true, force: true });
    }
  });
}

async function readManifest(file: string, folder: string, run: Run): Promise<Manifest> {
  const hint = 'give the file that k8s-single install --bundle FILE has made';
  const entry = await stat(file).catch((cause: unknown) => {
    throw new Failure('install', `cannot read the bundle ${file}: ${reasonOf(cause)}`, { hint, cause });
  });
  if (entry.isDirectory()) throw new Failure('install', `${file} is a folder, not a bundle`, { hint });
  await extract(file, folder, [manifestName], run);
  const path = join(folder, manifestName);
  const found = await lstat(path);
  // Not a device or a pipe, which would be read for ever.
  if (!found.isFile() || found.size > maxManifestBytes) throw noBundle(file);
  const manifest = parseManifest(await readFile(path, 'utf8'));
  if (manifest === undefined) throw noBundle(file);
  const own = releaseArch();
  if (manifest.arch === own) {
    // A sparse file takes no space in the archive, but an eternity to be read.
    const bytes = manifest.files.reduce((sum, each) => sum + each.bytes, 0);
    const { bavail, bsize } = await statfs(folder);
    if (bytes <= bavail * bsize) return manifest;
    throw new Failure('install', `the bundle ${file} takes ${formatBytes(bytes)}: there is no room for it`, {
      hint: 'free some space on the disk of the cache',
    });
  }
  throw new Failure('install', `the bundle ${file} is for ${manifest.arch}, this machine is ${own}`, {
    hint: `make one for it: k8s-single install --bundle FILE --arch ${own}`,
  });
}

function parseManifest(text: string): Manifest | undefined {
  const json = parseJson(text);
  const [kubernetes, arch] = [textAt(json, 'kubernetes'), textAt(json, 'arch')];
  const files = listAt(json, 'files').map((each) => ({
    path: textAt(each, 'path'),
    bytes: Number(at(each, 'bytes')),
    sha256: textAt(each, 'sha256'),
  }));
  const isSafe = files.every(
    ({ path, bytes }) =>
      path !== '' && normalize(`/${path}`) === `/${path}` && Number.isSafeInteger(bytes) && bytes >= 0,
  );
  if (at(json, 'version') !== 1 || !exactVersion.test(kubernetes) || !isSafe) return undefined;
  return arch === 'amd64' || arch === 'arm64'
    ? { version: 1, k8sSingle: textAt(json, 'k8sSingle'), kubernetes, arch, files }
    : undefined;
}

function noBundle(file: string): Failure {
  return new Failure('install', `${file} is no bundle of k8s-single, or one of a newer version`, {
    hint: 'make one on a machine with internet: k8s-single install --bundle FILE',
  });
}

function damaged(file: string, reason: string, cause?: unknown): Failure {
  return new Failure('install', `the bundle ${file} is damaged or incomplete: ${reason}`, {
    hint: 'copy it again, and compare both with sha256sum',
    cause,
  });
}

async function extract(file: string, folder: string, members: readonly string[], run: Run): Promise<void> {
  const args = [
    '--extract',
    '--no-same-owner',
    '--no-same-permissions',
    '--file',
    file,
    '--directory',
    folder,
    ...members,
  ];
  await run('tar', args, { what: `unpack ${file}` }).catch((error: unknown) => {
    if (!(error instanceof Failure)) throw error;
    if (fullDisk.test(error.message)) throw error;
    if (/Not found in archive|not look like a tar/.test(error.message)) throw noBundle(file);
    const reason = error.message.split('\n').find((line) => line.startsWith('tar: ')) ?? error.message;
    throw damaged(file, reason.replace(/^tar: /, ''), error);
  });
}

/**
 * Refuses everything but folders and files: what a link leads to may change after it was checked, and a hard link may be to a file
 * elsewhere.
 */
async function assertPlainFiles(file: string, folder: string, below = ''): Promise<void> {
  for (const entry of await readdir(join(folder, below), { withFileTypes: true })) {
    const path = join(below, entry.name);
    if (entry.isDirectory()) await assertPlainFiles(file, folder, path);
    else if (!entry.isFile() || (await lstat(join(folder, path))).nlink !== 1)
      throw damaged(file, `${path} is no plain file`);
  }
}

/** Checks everything but the published files: those are checked when they are installed. */
async function verify(file: string, folder: string, { files }: Manifest): Promise<void> {
  for (const { path, bytes, sha256 } of files) {
    const found = await stat(join(folder, path)).catch(() => undefined);
    if (found?.isFile() !== true) throw damaged(file, `${path} is missing`);
    if (found.size !== bytes) throw damaged(file, `${path} has ${found.size} bytes, not ${bytes}`);
    const isChecked = bytes > 2 ** 20 && !path.startsWith('images/');
    if (!isChecked && (await digest(join(folder, path), 'sha256')) !== sha256) {
      throw damaged(file, `${path} is not what was packed`);
    }
  }
}

/** Unpacked files of a bundle as a mirror. */
function bundleRepository(file: string, folder: string): Repository {
  return {
    name: `the bundle ${file}`,
    hint: 'copy it again, and compare both with sha256sum, or make a new one: k8s-single install --bundle FILE',
    hasOwnBuilds: hasOwnBuilds(),
    where: (host, path) => `${host}/${path} in ${file}`,
    text: async (host, path) => {
      const text = await readFile(join(folder, host, path), 'utf8').catch(() => undefined);
      return text;
    },
    async copy({ host, path, file: target, algorithm, signal, onBytes }) {
      const source = join(folder, host, path);
      const { size } = await stat(source).catch((cause: unknown) => {
        throw damaged(file, `${host}/${path} is missing`, cause);
      });
      onBytes(0, size);
      const hex = await digest(source, algorithm, signal);
      onBytes(size, size);
      await rm(target, { force: true });
      await link(source, target);
      await sync(target);
      return hex;
    },
  };
}

async function placeImages({ files }: Manifest, folder: string, cacheDir: string): Promise<void> {
  const images = cacheImagesDir(cacheDir);
  for (const { path } of files.filter((each) => each.path.startsWith('images/'))) {
    await mkdir(images, { recursive: true });
    await sync(join(folder, path));
    await rename(join(folder, path), join(images, basename(path)));
  }
}

async function digest(file: string, algorithm: string, signal?: AbortSignal): Promise<string> {
  const hash = createHash(algorithm);
  const stream = createReadStream(file, { highWaterMark: 2 ** 20, ...(signal && { signal }) });
  for await (const chunk of stream as AsyncIterable<Buffer>) hash.update(chunk);
  return hash.digest('hex');
}

async function sync(file: string): Promise<void> {
  await using handle = await open(file, 'r');
  await handle.sync();
}
