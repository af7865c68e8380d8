import { readFile, statfs } from 'node:fs/promises';
import { cpus } from 'node:os';
import { Failure } from '../lib/errors.ts';

const gibi = 2 ** 30;

/** @throws Failure `install` when the file system of `dir` has less than `bytes` left. */
export async function needDisk(dir: string, bytes: number): Promise<void> {
  const { bavail, bsize } = await statfs(dir);
  const free = bavail * bsize;
  if (free >= bytes) return;
  throw new Failure('install', `${dir} has ${inGiB(free)} left, building Kubernetes takes ${inGiB(bytes)}`, {
    hint: 'make room, set XDG_CACHE_HOME to a folder on a larger disk, or give binaries with --bin-dir',
  });
}

/**
 * How many commands a build may run at once: one per core, and `bytesEach` of available memory for each.
 *
 * @throws Failure `install` when there is not enough for one.
 */
export async function jobsFor(bytesEach: number): Promise<number> {
  const meminfo = await readFile('/proc/meminfo', 'utf8');
  const available = Number(/^MemAvailable:\s+(\d+)/m.exec(meminfo)?.[1]) * 1024;
  // The limit of our control group; a huge number or 0 when there is none.
  const limit = process.constrainedMemory();
  const memory = limit > 0 ? Math.min(available, limit) : available;
  const jobs = Math.min(cpus().length, Math.floor(memory / bytesEach));
  if (jobs >= 1) return jobs;
  throw new Failure(
    'install',
    `${inGiB(memory)} of memory is free, building Kubernetes takes ${inGiB(bytesEach)}`,
    {
      hint: 'free memory, or give binaries built elsewhere with --bin-dir',
    },
  );
}

function inGiB(bytes: number): string {
  return `${(bytes / gibi).toFixed(1)} GiB`;
}
