import { Failure } from '../../lib/errors.ts';
import { mountTable } from '../../lib/mountTable.ts';

/** A mounted cgroup hierarchy. */
export interface Hierarchy {
  /** Its mount point. */
  readonly root: string;
  readonly version: 1 | 2;
  /** For version 1: its controllers, among other mount options. Version 2 has them in a file below its root. */
  readonly options: readonly string[];
}

/** Every mounted cgroup hierarchy, each once. @throws Failure `preflight` when there is none. */
export function hierarchies(): Hierarchy[] {
  const byDevice = new Map<string, Hierarchy>();
  for (const { device, mountPoint, type, options } of mountTable()) {
    if (type === 'cgroup') byDevice.set(device, { root: mountPoint, version: 1, options });
    if (type === 'cgroup2') byDevice.set(device, { root: mountPoint, version: 2, options });
  }
  if (byDevice.size === 0) {
    throw new Failure('preflight', 'no cgroup hierarchy is mounted', {
      hint: 'mount -t cgroup2 cgroup2 /sys/fs/cgroup; in a container, run it with --privileged',
    });
  }
  return [...byDevice.values()];
}
