import { execFile } from 'node:child_process';
import { copyFile, mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { Dependency, Task } from '../../engine/component.ts';
import type { NodeConfig } from '../../config/schema/node.ts';
import type { NodeFacts } from '../facts.ts';
import { imageArchive } from './imageArchive.ts';

/** Not execa, which nothing else of an ordinary boot loads. */
const execute = promisify(execFile);

/** The image that holds a pod's namespaces open: the config's, or the one that is built here. */
export function pauseImageOf(config: NodeConfig): string {
  return config.pauseImage ?? 'k8s-single.local/pause:1';
}

/**
 * Without a registry there is no pause image, and without it no pod. It is one static program that sleeps and reaps:
 * catatonit can do that (`catatonit -P`). Built and imported once, then found in containerd's store.
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
  const ctr = async (...args: string[]) =>
    execute(programs.ctr, ['--address', paths.containerdSocket, '--namespace', 'k8s.io', 'images', ...args], {
      env: { ...process.env, ...env },
      signal,
    });
  const { stdout } = await ctr('list', '--quiet', `name==${image}`);
  if (stdout !== '') return;
  const folder = join(paths.data, 'pause-image');
  try {
    const root = join(folder, 'root');
    await mkdir(root, { recursive: true });
    await copyFile(programs.catatonit, join(root, 'pause'));
    await ctr(
      'import',
      await imageArchive(folder, { image, root, config: { Entrypoint: ['/pause', '-P'] } }, signal),
    );
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
