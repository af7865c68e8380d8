/**
 * Broadcasts "skip the remaining grace periods" to current and future waiters. Each has a signal of its own: in Node.js,
 * adding or removing a listener of a shared signal iterates over all its listeners.
 */
export class ForcedShutdown {
  readonly #waiting = new Set<AbortController>();
  #reason: Error | undefined;

  /** Aborts the signals of all current and future waiters. */
  force(reason: Error): void {
    this.#reason = reason;
    for (const controller of this.#waiting) controller.abort(reason);
  }

  /** A signal that aborts on a forced shutdown. Call `unsubscribe` when the wait is over. */
  subscribe(): { readonly signal: AbortSignal; readonly unsubscribe: () => void } {
    const controller = new AbortController();
    if (this.#reason === undefined) this.#waiting.add(controller);
    else controller.abort(this.#reason);
    return { signal: controller.signal, unsubscribe: () => void this.#waiting.delete(controller) };
  }
}
