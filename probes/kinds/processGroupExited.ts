import { readdir, readFile } from 'node:fs/promises';
import { Unhealthy, type Probe } from '../probe.ts';
import { codeOf } from '../transport/reason.ts';

/**
 * No process of the group runs any more. A zombie counts as gone: it runs nothing and holds nothing, and only its
 * parent, which may be a container's PID 1 that never reaps, can remove it. But a zombie with other threads is only the
 * first thread of a process that is ending: the others still hold its sockets. The reason names who is left.
 */
export function processGroupExited(pgid: number): Probe {
  // kill(2) reads 0 and -1 as "my own group" and "every process".
  if (!Number.isInteger(pgid) || pgid <= 1) throw new Error(`not a process group: ${pgid}`);
  return async (signal) => {
    if (!exists(pgid)) return;
    const left = await running(pgid);
    signal.throwIfAborted();
    if (left.length > 0) throw new Unhealthy(`still running: ${left.join(', ')}`);
  };
}

/** The kernel answers for the whole group at once, zombies included; /proc is read only when it says yes. */
function exists(pgid: number): boolean {
  try {
    process.kill(-pgid, 0);
    return true;
  } catch (error) {
    return codeOf(error) !== 'ESRCH';
  }
}

async function running(pgid: number): Promise<string[]> {
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name));
  const found = await Promise.all(pids.map((pid) => member(pid, pgid)));
  return found.filter((one) => one !== undefined);
}

/** `name (pid N)` when the process is in the group and alive. */
async function member(pid: string, pgid: number): Promise<string | undefined> {
  // It may end while we look: then it is gone, which is what we want to know.
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '');
  // proc_pid_stat(5): pid (comm) state ppid pgrp ... num_threads, the 20th; comm may hold blanks and parentheses.
  const end = stat.lastIndexOf(')');
  const fields = stat.slice(end + 2).split(' ');
  const [state, , group] = fields;
  const isOver = state === 'X' || (state === 'Z' && Number(fields[17]) <= 1);
  if (Number(group) !== pgid || isOver) return undefined;
  return `${stat.slice(stat.indexOf('(') + 1, end)} (pid ${pid})`;
}
