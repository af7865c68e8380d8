/** Created with the first waiter: most latches have none, and there may be thousands of latches. */
type Waiters = Set<() => void> | undefined;

/** Whether one component is ready (or started), now and as it changes. Initially reset. */
export class ReadinessLatch {
  readonly name: string;
  #isSet = false;
  #resetCount = 0;
  /** Sets, because a thousand components may wait for one, and each must be able to leave in constant time. */
  #waitingForSet: Waiters;
  #waitingForReset: Waiters;

  constructor(name: string) {
    this.name = name;
  }

  get isSet(): boolean {
    return this.#isSet;
  }

  /** How many times it went from set to reset. */
  get resetCount(): number {
    return this.#resetCount;
  }

  set(): void {
    this.#isSet = true;
    const waiters = this.#waitingForSet;
    this.#waitingForSet = undefined;
    resume(waiters);
  }

  reset(): void {
    if (!this.#isSet) return;
    this.#isSet = false;
    this.#resetCount += 1;
    const waiters = this.#waitingForReset;
    this.#waitingForReset = undefined;
    resume(waiters);
  }

  /** Resolves once it is set; rejects when the signal aborts. */
  async whenSet(signal?: AbortSignal): Promise<void> {
    if (!this.#isSet) await waitIn((this.#waitingForSet ??= new Set()), signal);
  }

  /** Resolves once it is reset; rejects when the signal aborts. */
  async whenReset(signal?: AbortSignal): Promise<void> {
    if (this.#isSet) await waitIn((this.#waitingForReset ??= new Set()), signal);
  }
}

function resume(waiters: Waiters): void {
  for (const waiter of waiters ?? []) waiter();
}

async function waitIn(waiters: Set<() => void>, signal: AbortSignal | undefined): Promise<void> {
  signal?.throwIfAborted();
  return new Promise((resolve, reject) => {
    const onAbort = (): void => {
      waiters.delete(waiter);
      reject(signal?.reason);
    };
    const waiter = (): void => {
      signal?.removeEventListener('abort', onAbort);
      resolve();
    };
    waiters.add(waiter);
    signal?.addEventListener('abort', onAbort, { once: true });
  });
}
