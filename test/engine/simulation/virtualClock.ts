interface Timer {
  readonly at: number;
  readonly order: number;
  /** Whether the program under test has set it, and can clear it. */
  readonly isClearable: boolean;
  /** Undefined once cleared. */
  fire: (() => void) | undefined;
}

/** Replaces the timers and clocks of this process, so that waits take no time. Promises and real input run as usual. */
export class VirtualClock {
  /** In ms, from 0. */
  now = 0;
  /** A binary heap, the next timer first. */
  readonly #heap: Timer[] = [];
  #created = 0;

  /** How many timers of the program under test have neither fired nor been cleared. */
  get pending(): number {
    return this.#heap.filter(({ isClearable, fire }) => isClearable && fire !== undefined).length;
  }

  set(fire: () => void, delayMs: number, isClearable = false): Timer {
    // As in Node.js: a delay is a whole number of at least 1 ms.
    const delay = delayMs >= 1 && delayMs <= 2 ** 31 - 1 ? Math.trunc(delayMs) : 1;
    const timer = { at: this.now + delay, order: this.#created++, isClearable, fire };
    const heap = this.#heap;
    let child = heap.push(timer) - 1;
    while (child > 0) {
      const parent = (child - 1) >> 1;
      if (!isEarlier(timer, heap[parent]!)) break;
      heap[child] = heap[parent]!;
      child = parent;
    }
    heap[child] = timer;
    return timer;
  }

  /** Moves on to the next timer and fires it. Returns false if there is none until `untilMs`: the time is that then. */
  advance(untilMs: number): boolean {
    for (;;) {
      const next = this.#heap[0];
      if (next === undefined || next.at > untilMs) break;
      this.#removeFirst();
      const { fire } = next;
      if (fire === undefined) continue;
      next.fire = undefined;
      this.now = next.at;
      fire();
      return true;
    }
    this.now = Math.max(this.now, untilMs);
    return false;
  }

  #removeFirst(): void {
    const heap = this.#heap;
    const moved = heap.pop()!;
    if (heap.length === 0) return;
    let parent = 0;
    for (;;) {
      let child = 2 * parent + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && isEarlier(heap[child + 1]!, heap[child]!)) child += 1;
      if (!isEarlier(heap[child]!, moved)) break;
      heap[parent] = heap[child]!;
      parent = child;
    }
    heap[parent] = moved;
  }

  /** Replaces setTimeout, clearTimeout, AbortSignal.timeout, performance.now and Date.now. Returns how to put them back. */
  install(): () => void {
    const { setTimeout: realSet, clearTimeout: realClear } = globalThis;
    const timeout = AbortSignal.timeout.bind(AbortSignal);
    const realNow = performance.now.bind(performance);
    const realDate = Date.now.bind(Date);
    const set = (fire: () => void, ms = 1): Timer => this.set(fire, ms, true);
    const clear = (timer?: Timer): void => {
      if (timer !== undefined) timer.fire = undefined;
    };
    Object.assign(globalThis, { setTimeout: set, clearTimeout: clear });
    AbortSignal.timeout = (ms) => {
      const controller = new AbortController();
      this.set(() => controller.abort(timedOut), ms);
      return controller.signal;
    };
    performance.now = () => this.now;
    Date.now = () => this.now;
    return () => {
      Object.assign(globalThis, { setTimeout: realSet, clearTimeout: realClear });
      AbortSignal.timeout = timeout;
      performance.now = realNow;
      Date.now = realDate;
    };
  }
}

const timedOut = new DOMException('The operation was aborted due to timeout', 'TimeoutError');

function isEarlier(a: Timer, b: Timer): boolean {
  return a.at < b.at || (a.at === b.at && a.order < b.order);
}
