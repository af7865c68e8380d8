import { Unhealthy, type Probe } from '../probe.ts';
import { hasExited, readProcessStat } from '../proc.ts';

/** Passes while the process runs that began at `starttime`, in clock ticks since the boot of the machine: never for another of that pid. */
export function processRuns(pid: number, starttime: number): Probe {
  return async () => {
    const stat = await readProcessStat(String(pid));
    if (stat === undefined || stat.starttime !== starttime || hasExited(stat))
      throw new Unhealthy('it has exited');
  };
}
