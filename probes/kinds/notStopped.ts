import { readProcessStatSync } from '../proc.ts';
import { Unhealthy, type Probe } from '../probe.ts';

/**
 * Passes unless the process is stopped by a signal such as SIGSTOP (state T in proc_pid_stat(5)). Passes for one that a debugger
 * has stopped, and for one that has exited.
 */
export function notStopped(pid: number): Probe {
  return async () => {
    // Synchronous: by a thread, this read alone would take as long as the rest of the probe, all the time.
    if (readProcessStatSync(pid)?.state === 'T') throw new Unhealthy('it is stopped by a signal (SIGSTOP)');
  };
}
