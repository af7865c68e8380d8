import { Unhealthy, type Probe } from '../probe.ts';
import { isRunning } from '../proc.ts';

/** Passes while the process runs that began at `starttime`, in clock ticks since the boot of the machine: never for another of that pid. */
export function processRuns(pid: number, starttime: number): Probe {
  return async () => {
    if (!isRunning(pid, starttime)) throw new Unhealthy('it has exited');
  };
}
