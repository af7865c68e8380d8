import pRetry from 'p-retry';
import { clampTimeout, probeOnce } from './probeOnce.ts';
import { PermanentFailure, Unhealthy, type Probe } from './probe.ts';

/** All times in ms. */
export interface UntilOptions {
  /** The deadline; it also interrupts an attempt in progress. Infinity: none. */
  readonly timeoutMs: number;
  /** Pause after the first failed attempt (default 25); each later pause is a fifth longer. */
  readonly periodMs?: number;
  /** Longest pause (default 250), reached after about 1.5 s. */
  readonly maxPeriodMs?: number;
  /** Time limit of each attempt (default 2000). */
  readonly attemptTimeoutMs?: number;
  /** Called with the reason of each failed attempt. */
  readonly onAttemptFailed?: (reason: string) => void;
}

/** The deadline has passed. The `cause` is the last failed attempt. */
export class DeadlineExceeded extends Error {
  override readonly name = 'DeadlineExceeded';
  readonly timeoutMs: number;
  /** The reason of the last attempt that failed by itself. */
  readonly lastReason: string;

  constructor(timeoutMs: number, last: Unhealthy) {
    super(`not ready after ${(timeoutMs / 1000).toFixed(1)} s: ${last.message}`, { cause: last });
    this.timeoutMs = timeoutMs;
    this.lastReason = last.message;
  }
}

/**
 * Runs the probe until it passes: immediately, then after 25 ms, growing to every 250 ms. The pause grows by a fifth, so that
 * readiness is noticed at most a fifth of the wait (or 250 ms) late. The only wait loop of the program.
 *
 * Rejects with {@link DeadlineExceeded} at the deadline; immediately with `signal.reason` when the signal aborts, with a
 * {@link PermanentFailure}, or with a programming error of the probe (see {@link probeOnce}). Leaves no timer and no listener behind.
 */
export async function until(probe: Probe, options: UntilOptions, signal: AbortSignal): Promise<void> {
  const { timeoutMs, periodMs = 25, maxPeriodMs = 250, attemptTimeoutMs = 2000, onAttemptFailed } = options;
  signal.throwIfAborted();
  const stop = new AbortController();
  let last = new Unhealthy('the first attempt has not finished');
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
      shouldRetry: ({ error }) => error instanceof Unhealthy && !(error instanceof PermanentFailure),
      onFailedAttempt: ({ error }) => {
        if (stop.signal.aborted || !(error instanceof Unhealthy)) return;
        last = error;
        onAttemptFailed?.(error.message);
      },
    });
  } catch (error) {
    // p-retry replaces an abort reason that is not an Error with a TypeError.
    stop.signal.throwIfAborted();
    throw error;
  } finally {
    clearTimeout(timer);
    signal.removeEventListener('abort', onAbort);
  }
}
