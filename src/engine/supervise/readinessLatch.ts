/** Most gates have nobody who waits, and there may be thousands of them. */
type Waiting = Set<() => void> | undefined;

/** Says of one component whether it is ready, now and as it changes. Closed at first. */
export class ReadinessLatch {
  readonly name: string;
  #open = false;
  #timesLost = 0;
  /** A thousand components may wait for one, and each must be able to leave without looking at the others. */
  #toOpen: Waiting;
  #toClose: Waiting;

  constructor(name: string) {
    this.name = name;
  }

  get isSet(): boolean {
    return this.#open;
  }

  /** How often it was ready and then no more. */
  get resetCount(): number {
    return this.#timesLost;
  }

  set(): void {
    this.#open = true;
    const waiting = this.#toOpen;
    this.#toOpen = undefined;
    release(waiting);
  }

  reset(): void {
    if (!this.#open) return;
    this.#open = false;
    this.#timesLost += 1;
    const waiting = this.#toClose;
    this.#toClose = undefined;
    release(waiting);
  }

  /** Resolves once it is open; rejects when the signal aborts. */
  async whenSet(signal?: AbortSignal): Promise<void> {
    if (!this.#open) await waitIn((this.#toOpen ??= new Set()), signal);
  }

  /** Resolves once it is closed; rejects when the signal aborts. */
  async whenReset(signal?: AbortSignal): Promise<void> {
    if (this.#open) await waitIn((this.#toClose ??= new Set()), signal);
  }
}

function release(waiting: Waiting): void {
  for (const go of waiting ?? []) go();
}

async function waitIn(waiting: Set<() => void>, signal: AbortSignal | undefined): Promise<void> {
  signal?.throwIfAborted();
  return new Promise((resolve, reject) => {
    const leave = (): void => {
      waiting.delete(go);
      reject(signal?.reason);
    };
    const go = (): void => {
      signal?.removeEventListener('abort', leave);
      resolve();
    };
    waiting.add(go);
    signal?.addEventListener('abort', leave, { once: true });
  });
}
