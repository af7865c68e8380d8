import { Unhealthy } from '../../probes/probe.ts';
import { until } from '../../probes/until.ts';

/** How long a fault lasts, or until the random moment at which it comes, in ms. */
export async function pause(ms: number): Promise<void> {
  const end = performance.now() + ms;
  const isOver = async (): Promise<void> => {
    if (performance.now() < end) throw new Unhealthy('it is not over yet');
  };
  const timing = { timeoutMs: ms + 60_000, periodMs: 10, maxPeriodMs: 20 };
  await until(isOver, timing, new AbortController().signal);
}

/** A pseudorandom generator: the same seed gives the same choices. */
export class Random {
  #state: number;

  constructor(seed: number) {
    this.#state = seed >>> 0;
  }

  /** At least 0 and less than 1: mulberry32, a generator with 32 bits of state. */
  next(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(this.#state ^ (this.#state >>> 15), 1 | this.#state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  }

  /** An integer from `low` to `high`, both included. */
  integer(low: number, high: number): number {
    return low + Math.floor(this.next() * (high - low + 1));
  }

  pick<T>(all: readonly T[]): T {
    return all[this.integer(0, all.length - 1)]!;
  }

  /** Some of them, at least one, in the order given. */
  some<T>(all: readonly T[], most: number): T[] {
    const wanted = this.integer(1, Math.min(most, all.length));
    const left = [...all];
    while (left.length > wanted) left.splice(this.integer(0, left.length - 1), 1);
    return left;
  }
}
