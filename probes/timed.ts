import { Unhealthy, type Probe } from './probe.ts';

/**
 * Wraps a probe to report the duration of each attempt, in ms, and whether it passed. An attempt that runs into its time
 * limit counts; one that is cancelled does not.
 */
export function timed(probe: Probe, onAttempt: (ms: number, passed: boolean) => void): Probe {
  return async (signal) => {
    const startedAt = performance.now();
    try {
      await probe(signal);
    } catch (error) {
      if (!signal.aborted || signal.reason instanceof Unhealthy)
        onAttempt(performance.now() - startedAt, false);
      throw error;
    }
    onAttempt(performance.now() - startedAt, true);
  };
}
