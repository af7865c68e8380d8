import { Failure } from '../lib/errors.ts';
import { unzipped } from '../kubernetes/images/imageSource.ts';
import { imageStore } from '../kubernetes/images/imageStore.ts';
import { readNodeFile } from '../instance/nodeFile.ts';
import { nodePaths } from '../lib/paths.ts';
import { table } from '../lib/text/table.ts';

/** `k8s-single image load FILE|-`: imports the images of an archive and prints their names. */
export async function loadImage(file: string, { name }: { name: string }): Promise<number> {
  const store = await imageStoreOf(name);
  const names =
    file === '-'
      ? await store.read(await unzipped(process.stdin), 'localhost/image')
      : await store.load(file);
  for (const image of names) console.log(image);
  return 0;
}

/** `k8s-single image ls`: prints name, size and digest of each image that pods can use without pulling. */
export async function listImages({ name }: { name: string }): Promise<number> {
  const images = await (await imageStoreOf(name)).list();
  const rows = images.map((image) => [image.name, image.size, image.digest]);
  for (const line of table(rows, { columns: [{}, { align: 'right', minWidth: 10 }] })) console.log(line);
  return 0;
}

async function imageStoreOf(name: string) {
  const { ctr, snapshotter } = await readNodeFile(name);
  const env = snapshotter === undefined ? {} : { CONTAINERD_SNAPSHOTTER: snapshotter };
  if (ctr !== undefined) return imageStore({ ctr, socket: nodePaths(name).containerdSocket, env });
  throw new Failure('usage', `node ${name} is a graph without Kubernetes: it has no images`);
}
