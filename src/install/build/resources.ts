import { readFile, statfs } from 'node:fs/promises';
import { cpus } from 'node:os';
import { Failure } from '../../lib/errors.ts';

/** @throws Failure `install` when the file system of `dir` has less than `bytes` free. */
export async function requireDiskSpace(dir: string, bytes: number): Promise<void> {
  const { bavail, bsize } = await statfs(dir);
  const free = bavail * bsize;
  if (free >= bytes) return;
  throw new Failure('install', `${dir} has ${inGiB(free)} free, building Kubernetes takes ${inGiB(bytes)}`, {
    hint: 'free disk space, set XDG_CACHE_HOME to a folder on a larger disk, or give binaries with --bin-dir',
  });
}

/**
 * How many jobs a build may run concurrently: one for each core, with `bytesPerJob` of available memory for each.
 *
 * @throws Failure `install` when the memory is too little for one.
 */
export async function parallelJobs(bytesPerJob: number): Promise<number> {
  const meminfo = await readFile('/proc/meminfo', 'utf8');
  const available = Number(/^MemAvailable:\s+(\d+)/m.exec(meminfo)?.[1]) * 1024;
  // The limit of our cgroup; a huge number or 0 when there is none.
  const limit = process.constrainedMemory();
  const memory = limit > 0 ? Math.min(available, limit) : available;
  const jobs = Math.min(cpus().length, Math.floor(memory / bytesPerJob));
  if (jobs >= 1) return jobs;
  throw new Failure(
    'install',
    `${inGiB(memory)} of memory is free, building Kubernetes takes ${inGiB(bytesPerJob)}`,
    { hint: 'free memory, or give binaries built elsewhere with --bin-dir' },
  );
}

function inGiB(bytes: number): string {
  return `${(bytes / 2 ** 30).toFixed(1)} GiB`;
}
