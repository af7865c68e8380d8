import { Unhealthy, type Probe } from './probe.ts';

/**
 * The same probe, and how long each of its looks took, in ms, and whether it was healthy. A look that was cut short by
 * its time limit counts as one; a look that nobody waits for any more does not.
 */
export function timed(probe: Probe, onAttempt: (ms: number, healthy: boolean) => void): Probe {
  return async (signal) => {
    const began = performance.now();
    try {
      await probe(signal);
    } catch (error) {
      if (!signal.aborted || signal.reason instanceof Unhealthy) onAttempt(performance.now() - began, false);
      throw error;
    }
    onAttempt(performance.now() - began, true);
  };
}
