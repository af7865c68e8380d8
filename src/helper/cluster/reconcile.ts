import { watch } from '../../../probes/watch.ts';
import type { Named } from './objects.ts';
import type { Store } from './store.ts';

/** Another attempt after a failure, and for what waits for something outside of the API, in ms. */
const retryMs = 5000;

/**
 * Calls `reconcile` when one of the stores changes, and every 5 s, until the signal aborts. One call at a time: changes during
 * a call lead to one more. `reconcile` must not reject.
 */
export function reconcileOnChange(
  stores: readonly Store<Named>[],
  reconcile: () => Promise<void>,
  signal: AbortSignal,
): void {
  let isRunning = false;
  let isAgain = false;
  const run = async (): Promise<void> => {
    isAgain = true;
    if (isRunning || signal.aborted) return;
    isRunning = true;
    while (isAgain) {
      isAgain = false;
      await reconcile();
    }
    isRunning = false;
  };
  for (const store of stores) store.onChange(() => void run());
  const period = { periodMs: retryMs, failureThreshold: Infinity };
  void watch(run, period, signal).catch((error: unknown) => {
    if (!signal.aborted) throw error;
  });
}
