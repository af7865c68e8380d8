import type { RestartPolicy } from '../component.ts';

/** How many failures are forgiven: so many within a sliding window. */
export class Budget {
  readonly #policy: Pick<RestartPolicy, 'budget' | 'budgetWindowMs'>;
  readonly #now: () => number;
  #failures: number[] = [];

  /** `now` in ms, monotonic. */
  constructor(
    policy: Pick<RestartPolicy, 'budget' | 'budgetWindowMs'>,
    now = (): number => performance.now(),
  ) {
    this.#policy = policy;
    this.#now = now;
  }

  /** Counts one failure. False when that is more than the budget allows. */
  charge(): boolean {
    const now = this.#now();
    this.#failures = [...this.#failures.filter((at) => now - at < this.#policy.budgetWindowMs), now];
    return this.#failures.length <= this.#policy.budget;
  }
}
