import { readFileSync, realpathSync } from 'node:fs';
import { realpath } from 'node:fs/promises';
import { nearestExisting } from './paths.ts';

/** One line of /proc/self/mountinfo (proc(5)). */
export interface Mount {
  /** `major:minor`: the same for all mounts of one file system. */
  readonly device: string;
  readonly mountPoint: string;
  /** The options of this mount, such as `noexec`. */
  readonly flags: readonly string[];
  readonly type: string;
  /** Mounts below it propagate to other mount namespaces (mount_namespaces(7)). */
  readonly isShared: boolean;
  /** The options of the file system; for a cgroup v1 hierarchy, its controllers. */
  readonly options: readonly string[];
}

/** The mounts in this process's namespace, in the order of mounting. */
export function mountTable(): Mount[] {
  const lines = readFileSync('/proc/self/mountinfo', 'utf8').trim().split('\n');
  return lines.map((line) => {
    const [before = '', after = ''] = line.split(' - ');
    const fields = before.split(' ');
    return {
      device: fields[2] ?? '',
      mountPoint: unescape(fields[4] ?? ''),
      flags: (fields[5] ?? '').split(','),
      type: after.split(' ')[0] ?? '',
      isShared: fields.slice(6).some((field) => field.startsWith('shared:')),
      options: (after.split(' ')[2] ?? '').split(','),
    };
  });
}

/** The mount that a path is in. Of two mounts on one mount point, the later hides the earlier. */
export function containingMount(path: string, mounts: readonly Mount[] = mountTable()): Mount {
  return mounts
    .filter(({ mountPoint }) => path === mountPoint || path.startsWith(mountPoint.replace(/\/?$/, '/')))
    .reduce((best, mount) => (mount.mountPoint.length >= best.mountPoint.length ? mount : best));
}

/** The mount point if programs below it cannot be run, because it is mounted with `noexec`. */
export function noexecMount(path: string): string | undefined {
  const { flags, mountPoint } = containingMount(realpathSync(nearestExisting(path)));
  return flags.includes('noexec') ? mountPoint : undefined;
}

/** The mount points below a folder, without the folder itself, in the order of unmounting: the last mounted first. */
export async function mountsBelow(folder: string): Promise<string[]> {
  const real = await realpath(folder).catch(() => folder);
  const points = mountTable().map(({ mountPoint }) => mountPoint);
  return points.filter((point) => point.startsWith(`${real}/`)).toReversed();
}

/** Blanks and backslashes are octal escapes. */
function unescape(path: string): string {
  return path.replaceAll(/\\([0-7]{3})/g, (_, octal: string) =>
    String.fromCodePoint(Number.parseInt(octal, 8)),
  );
}
