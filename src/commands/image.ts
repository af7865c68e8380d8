import { createWriteStream } from 'node:fs';
import { resolve } from 'node:path';
import type { Writable } from 'node:stream';
import { replaceAtomically } from '../lib/atomicFile.ts';
import { Failure, reasonOf } from '../lib/errors.ts';
import { Signals } from '../lib/signals.ts';
import { pullImage } from '../kubernetes/images/pull.ts';
import type { Progress } from '../observe/terminal/view.ts';
import { withProgress } from '../supervisor/resolveBinaries.ts';
import { unzipped } from '../kubernetes/images/imageSource.ts';
import { fullName, imageStore } from '../kubernetes/images/imageStore.ts';
import { pinnedImages } from '../kubernetes/images/pinnedImages.ts';
import { readNodeFile } from '../instance/nodeFile.ts';
import { assertReplaceable } from '../lib/outputFile.ts';
import { nodePaths } from '../lib/paths.ts';
import { table } from '../lib/text/table.ts';

/** `k8s-single image load FILE|-`: imports the images of an archive and prints their names. */
export async function loadImage(file: string, { name }: { name: string }): Promise<number> {
  using signals = new Signals();
  const { interrupted } = signals;
  const { store, pinned } = await imagesOf(name);
  const names = await (file === '-'
    ? signals
        .interruptible(unzipped(process.stdin))
        .then(async (archive) => store.read(archive, 'localhost/image', interrupted))
    : store.load(file, interrupted));
  await pinned.pin(names, interrupted);
  for (const image of names) console.log(image);
  return 0;
}

/** `k8s-single image ls`: prints name, size and digest of each image that pods can use without pulling. */
export async function listImages({ name }: { name: string }): Promise<number> {
  const images = await (await imagesOf(name)).store.list();
  const rows = images.map((image) => [image.name, image.size, image.digest]);
  for (const line of table(rows, { columns: [{}, { align: 'right', minWidth: 10 }] })) console.log(line);
  return 0;
}

/** `k8s-single image pull IMAGE...`: pulls images as pods would, and prints their full names. */
export async function pullImages(images: readonly string[], { name }: { name: string }): Promise<number> {
  using signals = new Signals();
  const { containerd } = await imagesOf(name);
  const names = images.map(fullName);
  const pull = async (image: string, onProgress: (progress: Progress) => void): Promise<void> => {
    const label = `pulling ${image}`;
    const started = performance.now();
    const report = (more: Partial<Progress>): void =>
      onProgress({ label, elapsedMs: Math.ceil(performance.now() - started), ...more });
    report({});
    await pullImage(containerd, image, signals.interrupted, (detail) => report({ detail }));
    report({ done: true });
  };
  for (const image of names) {
    await withProgress('auto', signals.interrupted, async (onProgress) => pull(image, onProgress));
    console.log(image);
  }
  return 0;
}

interface SaveOptions {
  readonly name: string;
  readonly output?: string;
}

/** `k8s-single image save IMAGE...`: writes images as one archive to a file or to stdout. */
export async function saveImages(images: readonly string[], { name, output }: SaveOptions): Promise<number> {
  if (output === undefined && process.stdout.isTTY)
    throw new Failure('usage', 'an archive is not for a terminal', {
      hint: 'write it to a file with --output',
    });
  using signals = new Signals();
  const { store } = await imagesOf(name);
  const names = await storedNames(store, images);
  const file = output === undefined ? undefined : resolve(output);
  if (file !== undefined) assertReplaceable(file);
  const save = async (to: Writable): Promise<void> => store.save(names, to, signals.interrupted);
  await (
    file === undefined
      ? save(process.stdout)
      : replaceAtomically(file, async (temporary) => save(createWriteStream(temporary, { flags: 'wx' })))
  ).catch((cause: unknown) => {
    signals.interrupted.throwIfAborted();
    if (cause instanceof Failure) throw cause;
    throw new Failure('usage', `cannot save to ${file ?? 'stdout'}: ${reasonOf(cause)}`, { cause });
  });
  if (file !== undefined) console.log(file);
  return 0;
}

/** `k8s-single image rm IMAGE...`: removes images. A running container keeps what it needs of its own. */
export async function removeImages(images: readonly string[], { name }: { name: string }): Promise<number> {
  const { store, pinned } = await imagesOf(name);
  for (const image of await storedNames(store, images)) {
    // First: otherwise it would be restored.
    await pinned.unpin(image);
    await store.remove(image);
    console.log(image);
  }
  return 0;
}

/** The full names. @throws Failure `usage` when the node does not have all of them */
async function storedNames(
  store: ReturnType<typeof imageStore>,
  images: readonly string[],
): Promise<string[]> {
  const stored = new Set((await store.list()).map((image) => image.name));
  const names = images.map(fullName);
  const unknown = names.find((image) => !stored.has(image));
  if (unknown !== undefined)
    throw new Failure('usage', `the node has no image ${unknown}`, { hint: 'see k8s-single image ls' });
  return names;
}

async function imagesOf(name: string) {
  const { ctr, snapshotter, dataDir, minFreeMiB } = await readNodeFile(name);
  const env = snapshotter === undefined ? {} : { CONTAINERD_SNAPSHOTTER: snapshotter };
  if (ctr === undefined)
    throw new Failure('usage', `node ${name} is a graph without Kubernetes: it has no images`);
  const paths = nodePaths(name, dataDir);
  const disk = { folder: paths.containerd, minFreeMiB };
  const containerd = { ctr, socket: paths.containerdSocket, env, disk };
  const pinned = pinnedImages(containerd, paths.pinnedImages);
  return { containerd, store: imageStore(containerd), pinned };
}
