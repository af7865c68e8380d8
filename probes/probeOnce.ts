import { Unhealthy, type Probe } from './probe.ts';

/**
 * One look with its own time limit, at most `timeoutMs` ms whatever the probe does: a probe that hangs, even one that
 * ignores its signal, is a miss with the reason `no answer within N ms`.
 *
 * Rejects with an {@link Unhealthy} for a miss (anything else a probe rejects with is wrapped in one and kept as its
 * `cause`); with `signal.reason`, at once, when the signal aborts; and with the error itself when it is a mistake in
 * the probe's own code (TypeError, ReferenceError), which no waiting will mend.
 */
export async function probeOnce(probe: Probe, timeoutMs: number, signal: AbortSignal): Promise<void> {
  signal.throwIfAborted();
  // Not AbortSignal.any and AbortSignal.timeout: on Node 20 each call leaks a little, and this is called for ever.
  const own = new AbortController();
  let timer: NodeJS.Timeout | undefined;
  let onAbort: (() => void) | undefined;
  const cut = new Promise<never>((_resolve, reject) => {
    const end = (reason: unknown) => {
      reject(reason);
      own.abort(reason);
    };
    onAbort = () => end(signal.reason);
    timer = setTimeout(() => end(new Unhealthy(`no answer within ${timeoutMs} ms`)), clampTimeout(timeoutMs));
    signal.addEventListener('abort', onAbort, { once: true });
  });
  try {
    await Promise.race([probe(own.signal), cut]);
  } catch (error) {
    signal.throwIfAborted();
    throw isProgrammingError(error) ? error : asUnhealthy(error);
  } finally {
    clearTimeout(timer);
    if (onAbort) signal.removeEventListener('abort', onAbort);
  }
}

/** A timer's delay in ms: Node.js turns one above 2^31 - 1 (24.8 days), Infinity included, into 1 ms. */
export function clampTimeout(ms: number): number {
  return Math.min(ms, 2 ** 31 - 1);
}

/** A mistake in the code of a probe or a task, which no waiting and no restart will mend. */
export function isProgrammingError(error: unknown): boolean {
  return error instanceof TypeError || error instanceof ReferenceError;
}

function asUnhealthy(error: unknown): Unhealthy {
  if (error instanceof Unhealthy) return error;
  return new Unhealthy(error instanceof Error ? error.message : String(error), { cause: error });
}
