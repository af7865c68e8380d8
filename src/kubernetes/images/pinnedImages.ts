import { createHash } from 'node:crypto';
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { at, parseJson, textAt } from '../../../probes/transport/json.ts';
import { writeFileAtomically } from '../../lib/atomicFile.ts';
import { reasonOf } from '../../lib/errors.ts';
import { tempDir } from '../../lib/paths.ts';
import { ctrOf, imageStore } from './imageStore.ts';
import type { Containerd } from './imageStore.ts';

/** An image, and its descriptor (OCI image-spec, descriptor.md). */
interface PinnedImage {
  readonly name: string;
  readonly mediaType: string;
  readonly digest: string;
  readonly size: number;
}

/** Makes content a root of containerd's garbage collection (docs/garbage-collection.md): what it refers to stays, too. */
const gcRoot = 'containerd.io/gc.root';

function pinFile(folder: string, name: string): string {
  return join(folder, `${createHash('sha256').update(name).digest('hex').slice(0, 32)}.json`);
}

/**
 * Writes the file of a pinned image into `folder`, in one step.
 * @internal exported for tests
 */
export async function recordPin(folder: string, image: PinnedImage): Promise<void> {
  await writeFileAtomically(pinFile(folder, image.name), JSON.stringify(image));
}

/**
 * The images that stay, because there may be no registry to pull them from: on a full disk the kubelet deletes what no container
 * uses. Since 1.23, with containerd 1.6.25 or 1.7.10, it leaves images with the label of CRI alone. With older ones just the
 * name is lost: the content is a root of containerd's garbage collection, and {@link restore} gives it its name again.
 * @param folder has a file for each pinned image; next to the store, so that both are removed together
 */
export function pinnedImages(containerd: Containerd, folder: string) {
  const ctr = ctrOf(containerd);
  const store = imageStore(containerd);
  const list = async (): Promise<PinnedImage[]> => {
    const files = (await readdir(folder).catch((): string[] => [])).filter(isPinFile);
    const images = await Promise.all(files.map(async (file) => read(join(folder, file))));
    return images.filter((image) => image !== undefined);
  };

  /** Pins images of the store. Content that had one of these names before may be removed again. */
  const pin = async (names: readonly string[], signal?: AbortSignal): Promise<void> => {
    const options = signal && { signal };
    const before = await list();
    const stored = (await store.list()).filter(({ name }) => names.includes(name));
    await mkdir(folder, { recursive: true });
    for (const { name, digest, mediaType } of stored) {
      await ctr(['images', 'label', name, 'io.cri-containerd.pinned=pinned'], options);
      await ctr(['content', 'label', digest, `${gcRoot}=k8s-single`], options);
      const { stdout } = await ctr(['content', 'get', digest], options);
      const image: PinnedImage = { name, mediaType, digest, size: Buffer.byteLength(stdout) };
      await recordPin(folder, image);
    }
    const kept = new Set((await list()).map(({ digest }) => digest));
    const released = new Set(before.map(({ digest }) => digest).filter((digest) => !kept.has(digest)));
    // It may be gone already.
    for (const digest of released)
      await ctr(['content', 'label', digest, `${gcRoot}=`]).catch(() => undefined);
  };

  /**
   * Gives the pinned images that the kubelet has deleted their names again, which takes no space. Resolves with those whose
   * content is gone: they are no longer pinned.
   */
  const restore = async (signal: AbortSignal): Promise<string[]> => {
    const pinned = await list();
    if (pinned.length === 0) return [];
    const stored = new Set((await store.list()).map(({ name }) => name));
    const gone: string[] = [];
    for (const image of pinned.filter(({ name }) => !stored.has(name))) {
      try {
        await ctr(['content', 'get', image.digest], { signal });
        await load(image, signal);
      } catch (error) {
        // Of the manifest, or of a layer.
        if (!reasonOf(error).includes('not found')) throw error;
        await unpin(image.name);
        gone.push(image.name);
      }
    }
    return gone;
  };

  /** By an archive in OCI layout (image-layout.md) whose content is in the store already. */
  const load = async ({ name, ...descriptor }: PinnedImage, signal: AbortSignal): Promise<void> => {
    const layout = await mkdtemp(join(tempDir(), 'k8s-single-image-'));
    const annotations = { 'io.containerd.image.name': name };
    const index = { schemaVersion: 2, manifests: [{ ...descriptor, annotations }] };
    try {
      await writeFile(join(layout, 'oci-layout'), '{"imageLayoutVersion":"1.0.0"}');
      await writeFile(join(layout, 'index.json'), JSON.stringify(index));
      await pin(await store.load(layout, signal), signal);
    } finally {
      await rm(layout, { recursive: true, force: true });
    }
  };

  /** No longer pins an image, so that its content goes with its name. */
  const unpin = async (name: string): Promise<void> => {
    const image = await read(pinFile(folder, name));
    if (image === undefined) return;
    await rm(pinFile(folder, name));
    const isShared = (await list()).some(({ digest }) => digest === image.digest);
    if (!isShared) await ctr(['content', 'label', image.digest, `${gcRoot}=`]).catch(() => undefined);
  };

  return { list, pin, restore, unpin };
}

/** Whether a name in the folder is that of a pinned image's file, and not what an interrupted write has left. */
export function isPinFile(name: string): boolean {
  return name.endsWith('.json');
}

/** Undefined for a text that is damaged: its image is not pinned. */
export function parsePin(text: string): PinnedImage | undefined {
  const json = parseJson(text);
  const [name, mediaType, digest] = [textAt(json, 'name'), textAt(json, 'mediaType'), textAt(json, 'digest')];
  const size = at(json, 'size');
  if ([name, mediaType, digest].includes('') || typeof size !== 'number') return undefined;
  return { name, mediaType, digest, size };
}

/** Undefined for a file that is missing or damaged. */
async function read(file: string): Promise<PinnedImage | undefined> {
  return parsePin(await readFile(file, 'utf8').catch(() => ''));
}
