import { realpathSync } from 'node:fs';
import { containingMount, mountTable } from '../lib/mountTable.ts';
import type { Mount } from '../lib/mountTable.ts';
import { nearestExisting } from '../lib/paths.ts';
import { note, ok, problem } from './checkResult.ts';
import type { CheckResult } from './checkResult.ts';
import type { Snapshotter } from './snapshotter.ts';

/** What the kubelet can measure, besides ext2 to ext4 (processMounts in cAdvisor's fs/fs.go). */
const measured: ReadonlySet<string> = new Set(['btrfs', 'overlay', 'tmpfs', 'xfs', 'zfs']);

/** The first kubelet that measures NFS: 1.21, with cAdvisor 0.39 (its commit a228e69f). */
const nfsMinor = 21;

const anotherFolder =
  'choose a folder on a local disk (ext4, xfs, btrfs, zfs): --data-dir, or dataDir in the config';

/** What is known of a node when its data folder is checked. */
interface DataMountOptions {
  /** Such as `1.20.2`. Default: a new one. */
  readonly kubernetes?: string | undefined;
  readonly snapshotter?: Snapshotter | undefined;
  /** For tests. */
  readonly mounts?: readonly Mount[];
}

/**
 * Checks the file system of the data folder or of one in it, which may not exist yet: the kubelet does not start on one that it cannot
 * measure, and `noexec` keeps programs of pods from running.
 */
export function checkDataMount(
  folder: string,
  { kubernetes = '', snapshotter, mounts = mountTable() }: DataMountOptions = {},
): CheckResult {
  const subject = 'file system';
  const mount = containingMount(realpathSync(nearestExisting(folder)), mounts);
  const { type, mountPoint, flags } = mount;
  if (!isMeasured(mount, Number(kubernetes.split('.')[1] ?? nfsMinor), mounts)) {
    const message = `${folder} is on ${type}, mounted at ${mountPoint}: the kubelet cannot measure it and does not start`;
    return problem(subject, message, anotherFolder);
  }
  if (!flags.includes('noexec')) return ok(subject, type);
  const message = `${type}, mounted with noexec at ${mountPoint}: `;
  const remedy = `mount -o remount,exec ${mountPoint}, or choose another folder: --data-dir`;
  // Each layer is a folder of that file system; an overlay has options of its own.
  if (snapshotter === 'native') return problem(subject, `${message}no program of an image runs`, remedy);
  return note(subject, `${message}pods cannot run programs from their volumes, such as emptyDir`, remedy);
}

function isMeasured({ type, device }: Mount, minor: number, mounts: readonly Mount[]): boolean {
  if (type.startsWith('ext') || measured.has(type)) return true;
  if (type.startsWith('nfs') && minor >= nfsMinor) return true;
  // Whatever is mounted at the root is measured (addSystemRootLabel).
  return mounts.some((mount) => mount.mountPoint === '/' && mount.device === device);
}

/**
 * Whether the kubelet finds the disk of the folder only if that is a mount point. The number of a device in a subvolume of
 * btrfs is not that of its mount, and kubelets up to 1.20.2 look for all mounts above the folder except `/`
 * (kubernetes/kubernetes#94335).
 */
export function needsOwnMount(folder: string, mounts = mountTable()): boolean {
  const { type, mountPoint } = containingMount(realpathSync(folder), mounts);
  return type === 'btrfs' && mountPoint === '/';
}
