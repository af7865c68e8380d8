import { mkdirSync, mkdtempSync, readFileSync, rmSync, statfsSync } from 'node:fs';
import { join } from 'node:path';
import { nearestExisting } from '../lib/paths.ts';
import { ok, note } from './checkResult.ts';
import type { CheckResult } from './checkResult.ts';
import { runOne } from './tool.ts';

/** How containerd keeps the layers of images: stacked by the kernel, or each as a full copy, which works everywhere. */
export type Snapshotter = 'overlayfs' | 'native';

/**
 * File systems that always accept the upper layer of an overlay, by their type in statfs(2): ext2 to ext4, btrfs and tmpfs
 * (include/uapi/linux/magic.h). XFS accepts one depending on how it was made.
 */
const supportingOverlays: ReadonlySet<number> = new Set([0xef53, 0x9123683e, 0x01021994]);

/**
 * Chooses how containerd keeps its layers in the data folder, which may not exist yet. A trial mount takes the kernel 10 ms and
 * more while a sandbox is set up, so there is one only when the file system is not known to work. The trial is under way when
 * this returns, so the caller can load modules meanwhile.
 */
export async function chooseSnapshotter(data: string): Promise<Snapshotter> {
  const isSupported =
    supportingOverlays.has(statfsSync(nearestExisting(data)).type) &&
    /\toverlay$/m.test(readFileSync('/proc/filesystems', 'utf8'));
  return isSupported ? 'overlayfs' : tryOverlay(data);
}

/**
 * Tries to mount an overlay in the data folder or its nearest existing ancestor. The kernel refuses an upper layer on an
 * overlay, like a container's root, or on a network file system. The mount is in a namespace that ends immediately.
 */
async function tryOverlay(data: string): Promise<Snapshotter> {
  const trial = mkdtempSync(join(nearestExisting(data), '.overlay-'));
  try {
    for (const name of ['lower', 'upper', 'work', 'merged']) mkdirSync(join(trial, name));
    // Relative, because a colon or a comma in a path would end it.
    const options = 'lowerdir=lower,upperdir=upper,workdir=work';
    const mount = ['mount', '--no-mtab', '-t', 'overlay', '-o', options, 'overlay', 'merged'];
    return await runOne(['unshare', '--mount', `--wd=${trial}`, ...mount]).then(
      () => 'overlayfs',
      () => 'native',
    );
  } finally {
    rmSync(trial, { recursive: true, force: true });
  }
}

/** Reports the choice. `data`: the data folder as its user knows it. */
export function snapshotterResult(snapshotter: Snapshotter, data: string): CheckResult {
  const subject = 'snapshotter';
  if (snapshotter === 'overlayfs') return ok(subject, 'overlayfs');
  return note(
    subject,
    `native: ${data} does not support an overlay, so each layer of an image is a full copy`,
    otherDisk,
  );
}

const otherDisk = 'put the data folder on a separate disk: in a container, a volume';

/** Reports where a sandboxed node keeps what its pods write to the system folders, by hostPath: see sandbox/mounts.ts. */
export function systemFoldersResult(snapshotter: Snapshotter, data: string): CheckResult {
  const subject = 'hostPath';
  const folders = '/etc, /opt, /tmp and /var';
  if (snapshotter === 'overlayfs') return ok(subject, `what pods write to ${folders} is kept in ${data}`);
  const why = `${data} does not support an overlay`;
  return note(subject, `what pods write to ${folders} is in memory and lost by down: ${why}`, otherDisk);
}
