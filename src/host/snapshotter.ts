import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statfsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { ok, note } from './checkResult.ts';
import type { CheckResult } from './checkResult.ts';
import { runOne } from './tool.ts';

/** How containerd keeps the layers of images: stacked by the kernel, or each a full copy, which works anywhere. */
export type Snapshotter = 'overlayfs' | 'native';

/**
 * File systems that take the upper layer of an overlay whatever they are made with, by what statfs(2) calls them: ext2 to ext4,
 * btrfs and tmpfs (include/uapi/linux/magic.h). XFS takes one or not.
 */
const supportingOverlays: ReadonlySet<number> = new Set([0xef53, 0x9123683e, 0x01021994]);

/**
 * How containerd can keep its layers in the data folder. A trial takes the kernel 10 ms and more, while a box is made; so there is one only
 * where it is not clear. Begun when this returns: whoever calls it loads something meanwhile.
 */
export async function chooseSnapshotter(data: string): Promise<Snapshotter> {
  const isClear =
    supportingOverlays.has(statfsSync(nearestExisting(data)).type) &&
    /\toverlay$/m.test(readFileSync('/proc/filesystems', 'utf8'));
  return isClear ? 'overlayfs' : tryOverlay(data);
}

/**
 * Tries an overlay in the data folder, or where it will be made: the kernel refuses one whose upper layer lies on an
 * overlay itself, as a container's root does, or on a network file system. The mount is made in a namespace that ends at once.
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

/** What was chosen means. `data`: the data folder as its user knows it. */
export function snapshotterResult(snapshotter: Snapshotter, data: string): CheckResult {
  const what = 'snapshotter';
  if (snapshotter === 'overlayfs') return ok(what, 'overlayfs');
  return note(
    what,
    `native: ${data} takes no overlay, so each layer of an image is a full copy`,
    'put the data folder on a disk of its own: in a container, a volume',
  );
}

/** The folder, or the nearest above it that is there. */
export function nearestExisting(folder: string): string {
  return existsSync(folder) ? folder : nearestExisting(dirname(folder));
}
