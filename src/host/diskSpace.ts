import { statfsSync } from 'node:fs';
import { formatBytes } from '../lib/text/text.ts';
import { nearestExisting } from '../lib/paths.ts';
import { note, ok, problem } from './checkResult.ts';
import type { CheckResult } from './checkResult.ts';

const mib = 2 ** 20;
const gib = 2 ** 30;

/** The share of a disk that must be free, up to {@link maxMinFree} bytes: a large disk of which 1 GiB is free serves a node well. */
const minFreeShare = 0.05;
const maxMinFree = gib;
/** The share of its inodes that must be free. */
export const minFreeInodes = 0.01;
/** What images and logs of a small node take, in bytes: with less above the limit, a disk is nearly full. */
const reserve = gib;

/** Free space for the users of a file system, as the kubelet measures it. In bytes. */
interface DiskSpace {
  readonly free: number;
  /** With less free space the kubelet evicts pods: `kubelet.minFreeMiB`, or 5 % of the disk, at most 1 GiB. 0: never. */
  readonly minFree: number;
  /** The share of free inodes, from 0 to 1. 1 for a file system without a fixed number of them, like btrfs. */
  readonly freeInodes: number;
}

/** The space of the file system on which `folder`, which may not exist yet, is or will be. */
export function diskSpace(folder: string, minFreeMiB?: number): DiskSpace {
  const { bsize, blocks, bavail, files, ffree } = statfsSync(nearestExisting(folder));
  return {
    free: bavail * bsize,
    minFree:
      minFreeMiB === undefined
        ? Math.round(Math.min(blocks * bsize * minFreeShare, maxMinFree))
        : minFreeMiB * mib,
    freeInodes: files === 0 ? 1 : ffree / files,
  };
}

const remedy = 'free some, or choose another folder: --data-dir';

/**
 * Whether the disk of a data folder has room for a node: if not, the kubelet would evict every pod.
 * @param measured what is measured, if not the data folder itself: the kubelet's folder, which is in memory for an ephemeral
 * node. Neither need exist.
 */
export function checkDisk(data: string, minFreeMiB?: number, measured = data): CheckResult {
  const { free, minFree, freeInodes } = diskSpace(measured, minFreeMiB);
  const text = `${formatBytes(free)} free for ${data}`;
  const limit = `below ${formatBytes(minFree)} the kubelet evicts pods`;
  if (minFree > 0 && free < minFree) return problem('disk', `${text}: ${limit}`, remedy);
  if (minFree > 0 && freeInodes < minFreeInodes)
    return problem(
      'disk',
      `${(freeInodes * 100).toFixed(1)} % of the inodes free for ${data}: too few`,
      remedy,
    );
  if (free < minFree + reserve)
    return note('disk', `nearly full: ${text}${minFree > 0 ? `; ${limit}` : ''}`, remedy);
  return ok('disk', text);
}
