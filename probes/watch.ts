import { clampTimeout, probeOnce } from './probeOnce.ts';
import { Unhealthy, type Probe } from './probe.ts';

/** All times in ms. */
export interface WatchOptions {
  /** Pause before each attempt (default 2000). The first is 0.5 to 1.5 times as long, to align with other watches. */
  readonly periodMs?: number;
  /** Number of failed attempts in a row that make it unhealthy (default 3). */
  readonly failureThreshold?: number;
  /** Time limit of each attempt (default 5000: a busy machine is slow, not dead). */
  readonly attemptTimeoutMs?: number;
  /** Called with the reason of each failed attempt and their number in a row. */
  readonly onAttemptFailed?: (reason: string, failures: number) => void;
}

/**
 * Liveness: runs the probe every 2 s, and resolves with the last reason after three failed attempts in a row. Otherwise
 * never settles.
 *
 * Rejects with `signal.reason` when the signal aborts; immediately with a programming error of the probe (see
 * {@link probeOnce}), which a restart of the component would not fix.
 */
export async function watch(probe: Probe, options: WatchOptions, signal: AbortSignal): Promise<string> {
  const { periodMs = 2000, failureThreshold = 3, attemptTimeoutMs = 5000, onAttemptFailed } = options;
  signal.throwIfAborted();
  for (let failures = 0; ;) {
    await pause(pauseUntilNextPeriod(periodMs), signal);
    try {
      await probeOnce(probe, attemptTimeoutMs, signal);
      failures = 0;
    } catch (error) {
      signal.throwIfAborted();
      if (!(error instanceof Unhealthy)) throw error;
      failures += 1;
      onAttemptFailed?.(error.message, failures);
      if (failures >= failureThreshold) return error.message;
    }
  }
}

/**
 * Time to the next multiple of the period, at least half a period away: watches with the same period run together. A
 * supervisor that wakes up once for all of them takes little more than half the processor time.
 */
function pauseUntilNextPeriod(periodMs: number): number {
  const now = performance.now();
  return Math.ceil(now / periodMs + 0.5) * periodMs - now;
}

/** Like setTimeout of node:timers/promises, but rejects with `signal.reason` itself. */
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
