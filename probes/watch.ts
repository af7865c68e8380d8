import { clampTimeout, probeOnce } from './probeOnce.ts';
import { Unhealthy, type Probe } from './probe.ts';

/** All times in ms. */
export interface WatchOptions {
  /** The pause before each look (default 2000); the first is up to half as long or as short again, to fall in with the others. */
  readonly periodMs?: number;
  /** This many misses in a row are one too many (default 3). */
  readonly failureThreshold?: number;
  /** The time limit of each look (default 5000: a busy machine is slow, not dead). */
  readonly attemptTimeoutMs?: number;
  /** Told the reason of each miss and how many there have been in a row. */
  readonly onAttemptFailed?: (reason: string, inARow: number) => void;
}

/**
 * Liveness: looks every 2 s at what was ready, and resolves with the last reason after three misses in a row. While
 * all is well it never ends.
 *
 * Rejects with `signal.reason` when the signal aborts, and at once with the probe's own mistake (see {@link probeOnce}):
 * a restart of the component would not mend that.
 */
export async function watch(probe: Probe, options: WatchOptions, signal: AbortSignal): Promise<string> {
  const { periodMs = 2000, failureThreshold = 3, attemptTimeoutMs = 5000, onAttemptFailed } = options;
  signal.throwIfAborted();
  for (let inARow = 0; ;) {
    await pause(pauseUntilNextPeriod(periodMs), signal);
    try {
      await probeOnce(probe, attemptTimeoutMs, signal);
      inARow = 0;
    } catch (error) {
      signal.throwIfAborted();
      if (!(error instanceof Unhealthy)) throw error;
      inARow += 1;
      onAttemptFailed?.(error.message, inARow);
      if (inARow >= failureThreshold) return error.message;
    }
  }
}

/**
 * From now to the beat that all who look this often share, half an interval away or more: a supervisor that wakes once for
 * all its looks costs little more than half of one that wakes for each.
 */
function pauseUntilNextPeriod(periodMs: number): number {
  const now = performance.now();
  return Math.ceil(now / periodMs + 0.5) * periodMs - now;
}

/** As node:timers/promises has it, but rejects with `signal.reason` itself. */
function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const onAbort = () => {
      clearTimeout(timer);
      reject(signal.reason);
    };
    const timer = setTimeout(() => {
      signal.removeEventListener('abort', onAbort);
      resolve();
    }, clampTimeout(ms));
    signal.addEventListener('abort', onAbort, { once: true });
  });
}
