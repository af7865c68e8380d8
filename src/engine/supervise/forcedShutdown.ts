/**
 * No time is left: said once to all who wait for something at that moment, and to who comes later. Not one signal for all of them:
 * in Node.js each more that listens to a signal, or leaves it, goes through all that do.
 */
export class ForcedShutdown {
  readonly #waiting = new Set<AbortController>();
  #reason: Error | undefined;

  /** Aborts the signals of all. */
  force(reason: Error): void {
    this.#reason = reason;
    for (const own of this.#waiting) own.abort(reason);
  }

  /** A signal of one's own; `leave` when the wait is over. */
  subscribe(): { readonly signal: AbortSignal; readonly leave: () => void } {
    const own = new AbortController();
    if (this.#reason === undefined) this.#waiting.add(own);
    else own.abort(this.#reason);
    return { signal: own.signal, leave: () => void this.#waiting.delete(own) };
  }
}
