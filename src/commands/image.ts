import { Failure } from '../lib/errors.ts';
import { unzipped } from '../kubernetes/images/imageSource.ts';
import { fullName, imageStore } from '../kubernetes/images/imageStore.ts';
import { pinnedImages } from '../kubernetes/images/pinnedImages.ts';
import { readNodeFile } from '../instance/nodeFile.ts';
import { nodePaths } from '../lib/paths.ts';
import { table } from '../lib/text/table.ts';

/** `k8s-single image load FILE|-`: imports the images of an archive and prints their names. */
export async function loadImage(file: string, { name }: { name: string }): Promise<number> {
  const { store, pinned } = await imagesOf(name);
  const names =
    file === '-'
      ? await store.read(await unzipped(process.stdin), 'localhost/image')
      : await store.load(file);
  await pinned.pin(names);
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

/** `k8s-single image rm IMAGE...`: removes images. A running container keeps what it needs of its own. */
export async function removeImages(images: readonly string[], { name }: { name: string }): Promise<number> {
  const { store, pinned } = await imagesOf(name);
  const stored = new Set((await store.list()).map((image) => image.name));
  const names = images.map(fullName);
  const unknown = names.find((image) => !stored.has(image));
  if (unknown !== undefined)
    throw new Failure('usage', `the node has no image ${unknown}`, { hint: 'see k8s-single image ls' });
  for (const image of names) {
    // First: otherwise it would be restored.
    await pinned.unpin(image);
    await store.remove(image);
    console.log(image);
  }
  return 0;
}

async function imagesOf(name: string) {
  const { ctr, snapshotter, dataDir } = await readNodeFile(name);
  const env = snapshotter === undefined ? {} : { CONTAINERD_SNAPSHOTTER: snapshotter };
  if (ctr === undefined)
    throw new Failure('usage', `node ${name} is a graph without Kubernetes: it has no images`);
  const paths = nodePaths(name, dataDir);
  const containerd = { ctr, socket: paths.containerdSocket, env };
  return { store: imageStore(containerd), pinned: pinnedImages(containerd, paths.pinnedImages) };
}
