import pRetry from 'p-retry';
import { clampTimeout, probeOnce } from './probeOnce.ts';
import { Unhealthy, type Probe } from './probe.ts';

/** All times in ms. */
export interface UntilOptions {
  /** The deadline, a look under way included. Infinity waits for ever. */
  readonly timeoutMs: number;
  /** From the first miss to the second look (default 25); each later pause is a fifth longer. */
  readonly periodMs?: number;
  /** The longest pause (default 250), reached after about 1.5 s. */
  readonly maxPeriodMs?: number;
  /** The time limit of each look (default 2000). */
  readonly attemptTimeoutMs?: number;
  /** Told the reason of each miss, as it happens. */
  readonly onAttemptFailed?: (reason: string) => void;
}

/** The deadline passed. The `cause` is the last miss. */
export class DeadlineExceeded extends Error {
  override readonly name = 'NotInTime';
  readonly timeoutMs: number;
  /** Why the last finished look failed. */
  readonly lastReason: string;

  constructor(timeoutMs: number, last: Unhealthy) {
    super(`not ready after ${(timeoutMs / 1000).toFixed(1)} s: ${last.message}`, { cause: last });
    this.timeoutMs = timeoutMs;
    this.lastReason = last.message;
  }
}

/**
 * Looks until the probe passes: at once, then after 25 ms, growing to every 250 ms. A fifth at a time, so what became
 * ready is seen at most a fifth (or 250 ms) later than it could have been. The only wait loop of the program.
 *
 * Rejects with {@link DeadlineExceeded} at the deadline, and at once with `signal.reason` when the signal aborts or with the
 * probe's own mistake (see {@link probeOnce}). Leaves no timer and no listener behind.
 */
export async function until(probe: Probe, options: UntilOptions, signal: AbortSignal): Promise<void> {
  const { timeoutMs, periodMs = 25, maxPeriodMs = 250, attemptTimeoutMs = 2000, onAttemptFailed } = options;
  signal.throwIfAborted();
  const stop = new AbortController();
  let last = new Unhealthy('the first look has not ended');
  const onAbort = () => stop.abort(signal.reason);
  signal.addEventListener('abort', onAbort, { once: true });
  const timer = setTimeout(() => stop.abort(new DeadlineExceeded(timeoutMs, last)), clampTimeout(timeoutMs));
  try {
    await pRetry(() => probeOnce(probe, attemptTimeoutMs, stop.signal), {
      retries: Infinity,
      factor: 1.2,
      minTimeout: periodMs,
      maxTimeout: maxPeriodMs,
      signal: stop.signal,
      shouldRetry: ({ error }) => error instanceof Unhealthy,
      onFailedAttempt: ({ error }) => {
        if (stop.signal.aborted || !(error instanceof Unhealthy)) return;
        last = error;
        onAttemptFailed?.(error.message);
      },
    });
  } catch (error) {
    // p-retry replaces a reason that is not an Error with a TypeError of its own.
    stop.signal.throwIfAborted();
    throw error;
  } finally {
    clearTimeout(timer);
    signal.removeEventListener('abort', onAbort);
  }
}
