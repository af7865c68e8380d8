import { closeSync, openSync, write } from 'node:fs';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { Failure, reasonOf } from '../../lib/errors.ts';
import { hasErrorCode } from '../../lib/systemError.ts';

/** The cgroup and all below it, in the order of removal: the deepest first. Empty when it does not exist. */
export async function groupsBelow(group: string): Promise<string[]> {
  const entries = await readdir(group, { withFileTypes: true }).catch(ignoreGone);
  if (entries === undefined) return [];
  const children = entries
    .filter((entry) => entry.isDirectory())
    .map((entry) => groupsBelow(join(group, entry.name)));
  return [...(await Promise.all(children)).flat(), group];
}

/** The processes of one cgroup that are visible in this PID namespace (others read as 0). */
export async function processes(group: string): Promise<number[]> {
  const text = (await readFile(join(group, 'cgroup.procs'), 'utf8').catch(ignoreGone)) ?? '';
  return text
    .split('\n')
    .map(Number)
    .filter((pid) => pid > 0);
}

/**
 * Moves processes into cgroups, one in each hierarchy; ignores those that have exited. Opens the cgroups before it returns, so
 * that their paths may become unreachable afterwards.
 */
export async function moveProcesses(pids: readonly number[], ...groups: readonly string[]): Promise<void> {
  const enter = async ({ group, fd }: { group: string; fd: number }): Promise<void> => {
    try {
      for (const pid of pids) await writeFd(fd, String(pid)).catch(ignoreExited);
    } catch (error) {
      const reason = `cannot move the processes ${pids.join(', ')} into the cgroup ${group}: ${reasonOf(error)}`;
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
  // The kernel takes 20 ms for the first (cgroup_attach_lock), but not for those that follow immediately. Concurrent writes
  // would block every thread of Node.js' pool for file operations.
  if (first !== undefined) await enter(first);
  await Promise.all(others.map(enter));
}

const writeFd = promisify(write);

function ignoreExited(error: unknown): void {
  if (!hasErrorCode(error, 'ESRCH')) throw error;
}

/** On v1 a frozen process does not die by SIGKILL (freezer-subsystem.rst); on v2 it does. */
export async function thaw(group: string): Promise<void> {
  const file = join(group, 'freezer.state');
  const state = await readFile(file, 'utf8').catch(ignoreGone);
  if (state !== undefined && state.trim() !== 'THAWED') await writeFile(file, 'THAWED').catch(ignoreGone);
}

/** Sends a signal, by default SIGKILL; ignores a process that has exited. */
export function kill(pid: number, signal: NodeJS.Signals = 'SIGKILL'): void {
  if (pid === process.pid) throw new Error('cannot kill the processes of a cgroup from within it');
  try {
    process.kill(pid, signal);
  } catch (error) {
    if (!hasErrorCode(error, 'ESRCH')) throw error;
  }
}

/** A cgroup may be removed while it is being read. */
function ignoreGone(error: unknown): undefined {
  if (!hasErrorCode(error, 'ENOENT', 'ENODEV')) throw error;
}
