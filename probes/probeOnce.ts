import { Unhealthy, type Probe } from './probe.ts';

/**
 * One attempt with a time limit of `timeoutMs` ms. A probe that hangs, even one that ignores its signal, fails with the
 * reason `no answer within N ms`.
 *
 * Rejects with an {@link Unhealthy} for a failed attempt (any other error of the probe becomes its `cause`); immediately
 * with `signal.reason` when the signal aborts; and with a programming error itself (see {@link isProgrammingError}).
 */
export async function probeOnce(probe: Probe, timeoutMs: number, signal: AbortSignal): Promise<void> {
  signal.throwIfAborted();
  // Not AbortSignal.any and AbortSignal.timeout: on Node 20 each call leaks a little, and a node may run for months.
  const attempt = new AbortController();
  let timer: NodeJS.Timeout | undefined;
  let onAbort: (() => void) | undefined;
  const interrupted = new Promise<never>((_resolve, reject) => {
    const end = (reason: unknown) => {
      reject(reason);
      attempt.abort(reason);
    };
    onAbort = () => end(signal.reason);
    timer = setTimeout(() => end(new Unhealthy(`no answer within ${timeoutMs} ms`)), clampTimeout(timeoutMs));
    signal.addEventListener('abort', onAbort, { once: true });
  });
  try {
    await Promise.race([probe(attempt.signal), interrupted]);
  } catch (error) {
    signal.throwIfAborted();
    throw isProgrammingError(error) ? error : asUnhealthy(error);
  } finally {
    clearTimeout(timer);
    if (onAbort) signal.removeEventListener('abort', onAbort);
  }
}

/** Whether one attempt passes; false also when the signal aborts. Never rejects. */
export async function passes(probe: Probe, timeoutMs: number, signal: AbortSignal): Promise<boolean> {
  return probeOnce(probe, timeoutMs, signal).then(
    () => true,
    () => false,
  );
}

/** Limits the delay of a timer, in ms: Node.js turns one above 2^31 - 1 (24.8 days), such as Infinity, into 1 ms. */
export function clampTimeout(ms: number): number {
  return Math.min(ms, 2 ** 31 - 1);
}

/** A TypeError or ReferenceError in the code of a probe or a task: neither waiting nor a restart fixes it. */
export function isProgrammingError(error: unknown): boolean {
  return error instanceof TypeError || error instanceof ReferenceError;
}

function asUnhealthy(error: unknown): Unhealthy {
  if (error instanceof Unhealthy) return error;
  return new Unhealthy(error instanceof Error ? error.message : String(error), { cause: error });
}
