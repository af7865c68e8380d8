import { Unhealthy, type Probe } from '../probe.ts';
import { exists, hasExited, listPids, readProcessStat } from '../proc.ts';

/**
 * Passes when no process of the group runs any more; otherwise the reason names those that do.
 */
export function processGroupExited(pgid: number): Probe {
  // kill(2) takes 0 and -1 as "my own group" and "every process".
  if (!Number.isInteger(pgid) || pgid <= 1) throw new Error(`not a process group: ${pgid}`);
  return async (signal) => {
    // So that /proc is searched only if there is something to find.
    if (!exists(-pgid)) return;
    const running = await runningProcesses(pgid);
    signal.throwIfAborted();
    if (running.length > 0) throw new Unhealthy(`still running: ${running.join(', ')}`);
  };
}

/** `name (pid N)` of each process of the group that runs. */
async function runningProcesses(pgid: number): Promise<string[]> {
  const found = await Promise.all(
    (await listPids()).map(async (pid) => {
      const stat = await readProcessStat(pid);
      if (stat?.pgrp !== pgid) return undefined;
      return hasExited(stat) ? undefined : `${stat.comm} (pid ${pid})`;
    }),
  );
  return found.filter((one) => one !== undefined);
}
