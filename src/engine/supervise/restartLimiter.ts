import { restartDefaults } from '../component.ts';
import type { RestartPolicy } from '../component.ts';

type Limit = Pick<RestartPolicy, 'maxFailures' | 'windowMs'>;

/** Allows at most `maxFailures` failures within a sliding window of `windowMs`. */
export class RestartLimiter {
  readonly #limit: Limit;
  #failures: number[] = [];

  constructor(limit: Limit) {
    this.#limit = limit;
  }

  /**
   * Whether the limit soon ends a loop of failures: it allows no more of them than the default does, and is exceeded if one
   * occurs each second.
   */
  get endsLoops(): boolean {
    const { maxFailures, windowMs } = this.#limit;
    return maxFailures <= restartDefaults.maxFailures && maxFailures * 1000 < windowMs;
  }

  /** Counts one failure now. Returns false if that exceeds the limit. */
  recordFailure(): boolean {
    const now = performance.now();
    this.#failures = [...this.#failures.filter((at) => now - at < this.#limit.windowMs), now];
    return this.#failures.length <= this.#limit.maxFailures;
  }

  /** Forgets the failures: a good run followed them. */
  reset(): void {
    this.#failures = [];
  }
}
