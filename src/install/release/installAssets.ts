import { setMaxListeners } from 'node:events';
import { chmod, lstat, mkdir, rename, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { moveInto, syncToDisk } from '../../lib/atomicFile.ts';
import { Failure } from '../../lib/errors.ts';
import { archName, programOf } from '../find/elf.ts';
import { releasesDir } from '../find/cacheLayout.ts';
import { diskFailure } from '../diskFailure.ts';
import type { Run } from '../run.ts';
import type { ReportFor } from '../steps.ts';
import { pinOf } from './assets.ts';
import type { Asset } from './assets.ts';
import { checksumIn } from './checksums.ts';
import type { Checksum } from './checksums.ts';
import type { Repository } from './repository.ts';
import { TransferMeter } from './transferMeter.ts';

/** More connections are no faster, and a server may refuse them. */
const concurrency = 4;

export interface AssetsContext {
  readonly repository: Repository;
  readonly signal: AbortSignal;
  readonly reportFor: ReportFor;
}

/**
 * Installs these assets into the cache: each is copied, checked, unpacked beside its final place and moved there in one step. What
 * is complete stays when another one fails, unless `atOnce` asks for all or nothing; of one that is not, nothing does. Only one
 * process at a time may do this.
 * @throws Failure `install`
 */
export async function installAssets(
  assets: readonly Asset[],
  cacheDir: string,
  { run, atOnce = false, ...context }: AssetsContext & { readonly run: Run; readonly atOnce?: boolean },
): Promise<void> {
  const releases = releasesDir(cacheDir);
  const staging = join(releases, '.partial');
  try {
    // Left by a process that was killed.
    await rm(staging, { recursive: true, force: true });
    await mkdir(staging, { recursive: true });
    const place = async (asset: Asset, file: string): Promise<void> => {
      if (asset.contents === undefined) await placeProgram(asset, file, releases);
      else await placeArchive(asset, file, releases, run);
    };
    const checked: (readonly [Asset, string])[] = [];
    const keep = async (...one: readonly [Asset, string]): Promise<void> => void checked.push(one);
    await fetchAssets(assets, staging, context, atOnce ? keep : place);
    for (const [asset, file] of checked) await place(asset, file);
  } catch (error) {
    throw diskFailure(error, releases) ?? error;
  } finally {
    await rm(staging, { recursive: true, force: true }).catch(() => undefined);
  }
}

/** Copies assets into a folder, several at a time, and calls `use` with each file that has passed its check. */
export async function fetchAssets(
  assets: readonly Asset[],
  folder: string,
  context: AssetsContext,
  use: (asset: Asset, file: string) => Promise<void>,
): Promise<void> {
  const { repository, reportFor } = context;
  // One failure ends the others: without it, they would go on for minutes.
  const stop = new AbortController();
  const signal = AbortSignal.any([context.signal, stop.signal]);
  // One listener for each request.
  setMaxListeners(0, signal);
  try {
    // All of them first: a version that does not exist costs no download.
    const checksums = await Promise.all(
      assets.map(async (asset) => expectedChecksum(asset, repository, signal)),
    );
    const meter = new TransferMeter(assets, reportFor);
    const waiting = assets.map((asset, i) => ({ asset, checksum: checksums[i]! }));
    const worker = async (): Promise<void> => {
      for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
        const file = join(folder, `${next.asset.folder}--${basename(next.asset.path)}`);
        await fetchAsset(next.asset, next.checksum, file, { repository, meter, signal });
        await use(next.asset, file);
        meter.done(next.asset);
      }
    };
    await allOrFirst(Array.from({ length: concurrency }, worker), stop);
  } catch (error) {
    context.signal.throwIfAborted();
    throw error;
  }
}

/** Waits for all; when one fails, aborts the others, waits for them, too, and rejects with the first error. */
async function allOrFirst(workers: readonly Promise<void>[], stop: AbortController): Promise<void> {
  const errors: unknown[] = [];
  await Promise.all(
    workers.map(async (worker) =>
      worker.catch((error: unknown) => {
        errors.push(error);
        stop.abort(error);
      }),
    ),
  );
  if (errors.length > 0) throw errors[0];
}

/** The pinned checksum, or the published one. */
async function expectedChecksum(
  asset: Asset,
  repository: Repository,
  signal: AbortSignal,
): Promise<Checksum> {
  const { name, version, host, path, checksums } = asset;
  const pin = repository.hasOwnBuilds ? undefined : pinOf(asset);
  if (pin !== undefined) return { algorithm: 'sha256', hex: pin, from: 'pinned in this k8s-single' };
  let unusable: string | undefined;
  for (const each of checksums) {
    const text = await repository.text(host, each, signal);
    if (text === undefined) continue;
    const where = repository.where(host, each);
    const checksum = checksumIn(text, path, where);
    if (checksum !== undefined) return checksum;
    unusable ??= where;
  }
  const message =
    unusable === undefined
      ? `${repository.name} has no ${name} ${version} for ${asset.arch}: there is no ${repository.where(host, checksums[0] ?? path)}`
      : `${unusable} has no checksum of ${name} ${version}`;
  throw new Failure('install', message, { hint: repository.hint });
}

interface FetchContext {
  readonly repository: Repository;
  readonly meter: TransferMeter;
  readonly signal: AbortSignal;
}

/** Copies one file and checks it. Tries again once: a copy in parts may be of two files, and a line may damage one. */
async function fetchAsset(
  asset: Asset,
  checksum: Checksum,
  file: string,
  { repository, meter, signal }: FetchContext,
): Promise<void> {
  const { name, version, host, path } = asset;
  const copy = async (): Promise<string> =>
    await repository.copy({
      host,
      path,
      file,
      algorithm: checksum.algorithm,
      signal,
      onBytes: (received, total) => meter.update(asset, received, total),
      onRetry: (reason) => meter.retry(asset, reason),
    });
  const { algorithm, hex, from } = checksum;
  let digest = await copy();
  if (digest !== hex) {
    meter.retry(asset, 'the checksum is wrong');
    digest = await copy();
  }
  if (digest === hex) return;
  const kind = algorithm === 'sha256' ? 'SHA-256' : 'SHA-512';
  const message = `${name} ${version} from ${repository.where(host, path)} is not what was published: its ${kind} is ${digest}, not ${hex} (${from})`;
  const hint = `the server, or a proxy on the way, changed it. ${repository.hint}`;
  throw new Failure('install', message, { hint });
}

/** Moves a checked program into its folder. */
async function placeProgram(asset: Asset, file: string, releases: string): Promise<void> {
  const folder = join(releases, asset.folder);
  await mkdir(folder, { recursive: true });
  await makeExecutable(file, asset);
  await rename(file, join(folder, asset.name));
  await syncToDisk(folder);
}

/** Unpacks a checked archive, and moves what is needed of it into place: a new folder as a whole, else each file. */
async function placeArchive(
  { contents, optional, ...asset }: Asset,
  file: string,
  releases: string,
  run: Run,
): Promise<void> {
  const [unpacked, ready] = [`${file}.unpacked`, `${file}.ready`];
  await mkdir(unpacked);
  const args = ['--extract', '--gzip', '--no-same-owner', '--file', file, '--directory', unpacked];
  await run('tar', args, { what: `unpack ${asset.name} ${asset.version}` });
  for (const [target, source] of Object.entries({ ...contents, ...optional })) {
    const from = join(unpacked, source);
    const isThere = (await lstat(from).catch(() => undefined))?.isFile() === true;
    if (!isThere && optional !== undefined && target in optional) continue;
    if (!isThere) {
      throw new Failure('install', `${basename(asset.path)} has no file ${source}`, {
        hint: 'please report this: the publisher may have changed the layout of the archive',
      });
    }
    await makeExecutable(from, asset);
    await mkdir(dirname(join(ready, target)), { recursive: true });
    await rename(from, join(ready, target));
  }
  await syncToDisk(ready);
  await moveInto(join(releases, asset.folder), ready);
  await syncToDisk(releases);
  for (const path of [unpacked, file]) await rm(path, { recursive: true });
}

/** @throws Failure `install` when it is no program for the architecture of the asset */
async function makeExecutable(file: string, { name, version, arch }: Asset): Promise<void> {
  const program = programOf(file);
  if (program.kind === 'neither' || (program.kind === 'elf' && archName(program.arch) !== arch)) {
    const what = program.kind === 'elf' ? `is for ${archName(program.arch)}` : 'is not a program';
    throw new Failure(
      'install',
      `${basename(file)} of ${name} ${version} ${what}, although its checksum is right`,
      {
        hint: 'please report this: the publisher may have changed the layout',
      },
    );
  }
  await chmod(file, 0o755);
  await syncToDisk(file);
}
