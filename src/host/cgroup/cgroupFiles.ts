import { closeSync, openSync, write } from 'node:fs';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { Failure, reasonOf } from '../../lib/errors.ts';

/** The cgroup and all below it, the deepest first, as they have to be removed; none when it is not there. */
export async function groupsBelow(group: string): Promise<string[]> {
  const entries = await readdir(group, { withFileTypes: true }).catch(gone);
  if (entries === undefined) return [];
  const children = entries
    .filter((entry) => entry.isDirectory())
    .map((entry) => groupsBelow(join(group, entry.name)));
  return [...(await Promise.all(children)).flat(), group];
}

/** The processes of one cgroup that this PID namespace can see (others read as 0). */
export async function processes(group: string): Promise<number[]> {
  const text = (await readFile(join(group, 'cgroup.procs'), 'utf8').catch(gone)) ?? '';
  return text
    .split('\n')
    .map(Number)
    .filter((pid) => pid > 0);
}

/**
 * Moves processes into cgroups, one in each hierarchy; those that have ended meanwhile do not matter. The cgroups are looked
 * up at once, and may be out of sight from then on.
 */
export async function moveProcesses(pids: readonly number[], ...groups: readonly string[]): Promise<void> {
  const enter = async ({ group, fd }: { group: string; fd: number }): Promise<void> => {
    try {
      for (const pid of pids) await writeFd(fd, String(pid)).catch(ended);
    } catch (error) {
      const reason = `the processes ${pids.join(', ')} cannot be moved into the cgroup ${group}: ${reasonOf(error)}`;
      throw new Failure('preflight', reason, {
        hint: 'in a container, run it with --privileged',
        cause: error,
      });
    } finally {
      closeSync(fd);
    }
  };
  const [first, ...others] = groups.map((group) => ({
    group,
    fd: openSync(join(group, 'cgroup.procs'), 'w'),
  }));
  // For the first the kernel waits 20 ms (cgroup_attach_lock), for those right after it not again. All at once would keep
  // every thread waiting in which Node.js reads files.
  if (first !== undefined) await enter(first);
  await Promise.all(others.map(enter));
}

const writeFd = promisify(write);

function ended(error: unknown): void {
  if (!hasErrorCode(error, 'ESRCH')) throw error;
}

/** A frozen process of v1 does not even die (freezer-subsystem.rst); on v2 it does. */
export async function thaw(group: string): Promise<void> {
  const file = join(group, 'freezer.state');
  const state = await readFile(file, 'utf8').catch(gone);
  if (state !== undefined && state.trim() !== 'THAWED') await writeFile(file, 'THAWED').catch(gone);
}

/** Sends a signal, by default SIGKILL; a process that has ended meanwhile does not matter. */
export function kill(pid: number, signal: NodeJS.Signals = 'SIGKILL'): void {
  if (pid === process.pid) throw new Error('this process is in the cgroup that it is to end');
  try {
    process.kill(pid, signal);
  } catch (error) {
    if (!hasErrorCode(error, 'ESRCH')) throw error;
  }
}

/** Is it a system error of this code? */
export function hasErrorCode(error: unknown, ...codes: readonly string[]): boolean {
  return error instanceof Error && 'code' in error && codes.some((code) => error.code === code);
}

/** Cgroups come and go while one looks. */
function gone(error: unknown): undefined {
  if (!hasErrorCode(error, 'ENOENT', 'ENODEV')) throw error;
}
