import { execFile } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, statfsSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { ensurePrivateFolder } from '../../lib/atomicFile.ts';
import { formatBytes } from '../../lib/text/text.ts';

const execute = promisify(execFile);

/** Makes the folder of a volume on this machine, directly below `root`; does nothing if it is there. @throws Error if the disk is too small */
export function makeFolder(root: string, name: string, bytes: number): string {
  const path = pathOf(root, name);
  // A pod may have changed its mode since.
  if (existsSync(path)) return path;
  ensurePrivateFolder(root);
  const { bsize, bavail } = statfsSync(root);
  if (!(bytes <= bsize * bavail))
    throw new Error(
      `the claim asks for ${formatBytes(bytes)}, but the disk of the data folder has ${formatBytes(bsize * bavail)} free`,
    );
  mkdirSync(path, { recursive: true });
  // Pods run as any user. Not by the mode of mkdir, which the umask reduces.
  chmodSync(path, 0o777);
  return path;
}

/**
 * Removes the folder of a volume. With the program, which opens each folder relative to the one above it: rm of Node.js goes by paths, and
 * a container that is still running, as after a forced deletion of its pod, may put a link into one.
 */
export async function removeFolder(root: string, name: string): Promise<void> {
  await execute('rm', ['-rf', '--one-file-system', '--', pathOf(root, name)]);
}

function pathOf(root: string, name: string): string {
  if (name === '' || name.includes('/') || /^\.\.?$/.test(name))
    throw new Error('its claim has no valid name');
  return join(root, name);
}
