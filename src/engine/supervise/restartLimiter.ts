import type { RestartPolicy } from '../component.ts';

type Limit = Pick<RestartPolicy, 'maxFailures' | 'windowMs'>;

/** Allows at most `maxFailures` failures within a sliding window of `windowMs`. */
export class RestartLimiter {
  readonly #limit: Limit;
  #failures: number[] = [];

  constructor(limit: Limit) {
    this.#limit = limit;
  }

  /** Counts one failure now. Returns false if that exceeds the limit. */
  recordFailure(): boolean {
    const now = performance.now();
    this.#failures = [...this.#failures.filter((at) => now - at < this.#limit.windowMs), now];
    return this.#failures.length <= this.#limit.maxFailures;
  }
}
