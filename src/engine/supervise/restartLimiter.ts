import type { RestartPolicy } from '../component.ts';

/** How many failures are forgiven: so many within a sliding window. */
export class RestartLimiter {
  readonly #policy: Pick<RestartPolicy, 'maxFailures' | 'windowMs'>;
  readonly #now: () => number;
  #failures: number[] = [];

  /** `now` in ms, monotonic. */
  constructor(
    policy: Pick<RestartPolicy, 'maxFailures' | 'windowMs'>,
    now = (): number => performance.now(),
  ) {
    this.#policy = policy;
    this.#now = now;
  }

  /** Counts one failure. False when that is more than the budget allows. */
  recordFailure(): boolean {
    const now = this.#now();
    this.#failures = [...this.#failures.filter((at) => now - at < this.#policy.windowMs), now];
    return this.#failures.length <= this.#policy.maxFailures;
  }
}
