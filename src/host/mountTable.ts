import { readFileSync } from 'node:fs';
import { realpath } from 'node:fs/promises';

/** One line of /proc/self/mountinfo (proc(5)). */
export interface Mount {
  /** `major:minor`: the same for all mounts of one file system. */
  readonly device: string;
  readonly mountPoint: string;
  readonly type: string;
  /** What is mounted below it shows in other mount namespaces, too (mount_namespaces(7)). */
  readonly isShared: boolean;
  /** The options of the file system: of a cgroup v1 hierarchy, its controllers. */
  readonly options: readonly string[];
}

/** The mounts of this process's namespace, in the order in which they were made. */
export function mountTable(): Mount[] {
  const lines = readFileSync('/proc/self/mountinfo', 'utf8').trim().split('\n');
  return lines.map((line) => {
    const [before = '', after = ''] = line.split(' - ');
    const fields = before.split(' ');
    return {
      device: fields[2] ?? '',
      mountPoint: unescape(fields[4] ?? ''),
      type: after.split(' ')[0] ?? '',
      isShared: fields.slice(6).some((field) => field.startsWith('shared:')),
      options: (after.split(' ')[2] ?? '').split(','),
    };
  });
}

/** The mount points below a folder, not the folder itself, the last made first: the order in which they come off. */
export async function mountsBelow(folder: string): Promise<string[]> {
  const real = await realpath(folder).catch(() => folder);
  const places = mountTable().map((mount) => mount.mountPoint);
  return places.filter((place) => place.startsWith(`${real}/`)).toReversed();
}

/** Blanks and backslashes stand as octal escapes. */
function unescape(path: string): string {
  return path.replaceAll(/\\([0-7]{3})/g, (_, octal: string) =>
    String.fromCodePoint(Number.parseInt(octal, 8)),
  );
}
