import { copyFile, mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Dependency, Task } from '../../engine/component.ts';
import type { NodeConfig } from '../../config/schema/node.ts';
import type { NodeFacts } from '../facts.ts';
import { imageArchive } from './imageArchive.ts';
import { ctrImages, importAgainIfCollected } from './imageStore.ts';
import { pinnedImages } from './pinnedImages.ts';

/** The image that holds a pod's namespaces open: the config's, or the one that {@link pauseImage} builds. */
export function pauseImageOf(config: Pick<NodeConfig, 'pauseImage'>): string {
  return config.pauseImage ?? 'k8s-single.local/pause:1';
}

/**
 * Builds and imports the pause image, unless containerd has it or the config names another. No pod starts
 * without one, and there may be no registry to pull it from. It is one static program that sleeps and reaps:
 * `catatonit -P` does that.
 */
export function pauseImage(facts: NodeFacts, needs: readonly Dependency[]): Task {
  return { kind: 'task', name: 'pause-image', needs, run: async (signal) => ensurePauseImage(facts, signal) };
}

async function ensurePauseImage(
  { config, paths, programs, env }: NodeFacts,
  signal: AbortSignal,
): Promise<void> {
  if (config.pauseImage !== undefined) return;
  const image = pauseImageOf(config);
  const containerd = { ctr: programs.ctr, socket: paths.containerdSocket, env };
  const ctr = ctrImages(containerd);
  const pinned = pinnedImages(containerd, paths.pinnedImages);
  const folder = join(paths.data, 'pause-image');
  // Left by a start that was killed.
  await rm(folder, { recursive: true, force: true });
  const { stdout } = await ctr(['list', '--quiet', `name==${image}`], { signal });
  if (stdout !== '' && (await pinned.list()).some(({ name }) => name === image)) return;
  try {
    const root = join(folder, 'root');
    await mkdir(root, { recursive: true });
    await copyFile(programs.catatonit, join(root, 'pause'));
    const description = { image, root, config: { Entrypoint: ['/pause', '-P'] } };
    const archive = await imageArchive(folder, description, signal);
    await importAgainIfCollected(async () => ctr(['import', archive], { signal }));
    await pinned.pin([image], signal);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
