import { Failure } from '../errors.ts';
import { mountTable } from './mountTable.ts';

/** One cgroup hierarchy of this machine and where it is mounted. */
export interface Hierarchy {
  readonly root: string;
  readonly version: 1 | 2;
}

/** Every cgroup hierarchy that is mounted, each once. Rejects when there is none. */
export async function hierarchies(): Promise<Hierarchy[]> {
  const byDevice = new Map<string, Hierarchy>();
  for (const { device, mountPoint, type } of await mountTable()) {
    if (type === 'cgroup') byDevice.set(device, { root: mountPoint, version: 1 });
    if (type === 'cgroup2') byDevice.set(device, { root: mountPoint, version: 2 });
  }
  if (byDevice.size === 0) {
    throw new Failure('preflight', 'no cgroup hierarchy is mounted', {
      hint: 'mount -t cgroup2 cgroup2 /sys/fs/cgroup',
    });
  }
  return [...byDevice.values()];
}
