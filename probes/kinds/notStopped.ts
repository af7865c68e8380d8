import { readProcessStat } from '../proc.ts';
import { Unhealthy, type Probe } from '../probe.ts';

/**
 * Passes unless the process is stopped by a signal such as SIGSTOP (state T in proc_pid_stat(5)). Passes for one that a debugger
 * has stopped, and for one that has exited.
 */
export function notStopped(pid: number): Probe {
  return async () => {
    if ((await readProcessStat(String(pid)))?.state === 'T')
      throw new Unhealthy('it is stopped by a signal (SIGSTOP)');
  };
}
