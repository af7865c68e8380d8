import { createHash } from 'node:crypto';
import { copyFile, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { execa } from 'execa';
import type { NodeConfig } from '../config/node.ts';
import type { Need, Task } from '../component.ts';
import type { NodeFacts } from './facts.ts';

/** The image that holds a pod's namespaces open: the config's, or the one that is built here. */
export function pauseImageOf({ pauseImage }: NodeConfig): string {
  return pauseImage ?? 'k8s-single.local/pause:1';
}

/**
 * Without a registry there is no pause image, and without it no pod. It is one static program that sleeps and reaps:
 * catatonit can do that (`catatonit -P`). Built and imported once, then found in containerd's store.
 */
export function pauseImage(facts: NodeFacts, needs: readonly Need[]): Task {
  return { kind: 'task', name: 'pause-image', needs, run: async (signal) => ensurePauseImage(facts, signal) };
}

async function ensurePauseImage(
  { config, paths, programs, env }: NodeFacts,
  signal: AbortSignal,
): Promise<void> {
  const image = pauseImageOf(config);
  const ctr = (...args: string[]) =>
    execa(programs.ctr, ['--address', paths.containerdSocket, '--namespace', 'k8s.io', 'images', ...args], {
      env,
      cancelSignal: signal,
    });
  const { stdout } = await ctr('list', '--quiet', `name==${image}`);
  if (stdout !== '' || config.pauseImage !== undefined) return;
  const folder = join(paths.data, 'pause-image');
  try {
    await ctr('import', await archive(folder, image, programs.catatonit, signal));
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** A docker archive of one layer with one file in it, which every containerd can import. Returns its path. */
async function archive(folder: string, image: string, program: string, signal: AbortSignal): Promise<string> {
  const root = join(folder, 'root');
  const tar = async (file: string, from: string, ...names: string[]) =>
    execa('tar', ['--numeric-owner', '-C', from, '-cf', join(folder, file), ...names], {
      cancelSignal: signal,
    });
  await mkdir(root, { recursive: true });
  await copyFile(program, join(root, 'pause'));
  await tar('layer.tar', root, 'pause');
  const layer = createHash('sha256').update(await readFile(join(folder, 'layer.tar')));
  const config = {
    architecture: { x64: 'amd64', arm64: 'arm64' }[process.arch as string] ?? process.arch,
    os: 'linux',
    config: { Entrypoint: ['/pause', '-P'] },
    rootfs: { type: 'layers', diff_ids: [`sha256:${layer.digest('hex')}`] },
  };
  await writeFile(join(folder, 'config.json'), JSON.stringify(config));
  const manifest = [{ Config: 'config.json', RepoTags: [image], Layers: ['layer.tar'] }];
  await writeFile(join(folder, 'manifest.json'), JSON.stringify(manifest));
  await tar('image.tar', folder, 'manifest.json', 'config.json', 'layer.tar');
  return join(folder, 'image.tar');
}
