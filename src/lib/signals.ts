import { constants } from 'node:os';

/** The signals that stop a node. */
export const stopSignals = ['SIGTERM', 'SIGINT', 'SIGHUP'] as const;

/** The exit code that a shell gives a process ended by a signal. */
export function signalExitCode(signal: NodeJS.Signals): number {
  return 128 + constants.signals[signal];
}

/** The signal that ended a process, by the exit code that a shell gives it; undefined for any other code. */
export function signalOf(exitCode: number): string | undefined {
  return Object.entries(constants.signals).find(([, number]) => exitCode === 128 + number)?.[0];
}

/** Work that a signal ended before there was anything to stop in order. */
export class Interrupted extends Error {
  override readonly name = 'Interrupted';
  readonly signal: NodeJS.Signals;

  constructor(signal: NodeJS.Signals) {
    super(`interrupted by ${signal}`);
    this.signal = signal;
  }
}

/**
 * Captures SIGTERM, SIGINT and SIGHUP until it is disposed of: none of them ends this process by its default action, and
 * none is lost. One instance per process.
 */
export class Signals implements Disposable {
  readonly #early: NodeJS.Signals[] = [];
  readonly #interrupt = new AbortController();
  #handler: ((signal: NodeJS.Signals) => void) | undefined;
  #first: NodeJS.Signals | undefined;
  readonly #onSignal = (signal: NodeJS.Signals): void => {
    this.#first ??= signal;
    if (this.#handler !== undefined) return this.#handler(signal);
    this.#early.push(signal);
    this.#interrupt.abort(new Interrupted(signal));
  };

  constructor() {
    for (const signal of stopSignals) process.on(signal, this.#onSignal);
  }

  /** The first signal of all, whether or not it was handled. */
  get first(): NodeJS.Signals | undefined {
    return this.#first;
  }

  /** Aborts with {@link Interrupted} when a signal arrives before there is a handler. */
  get interrupted(): AbortSignal {
    return this.#interrupt.signal;
  }

  /** Calls `handler` for each signal from now on, and at once for those that arrived before there was one. */
  handleWith(handler: (signal: NodeJS.Signals) => void): void {
    this.#handler = handler;
    for (const signal of this.#early.splice(0)) handler(signal);
  }

  /** Forgets the handler: signals count again as arrived before there was one. */
  withoutHandler(): void {
    this.#handler = undefined;
  }

  /** Settles as `work` does. Rejects with {@link Interrupted} when a signal arrives first; the work goes on unobserved. */
  async interruptible<T>(work: Promise<T>): Promise<T> {
    const { interrupted } = this;
    return new Promise((resolve, reject) => {
      const interrupt = (): void => reject(interrupted.reason);
      if (interrupted.aborted) interrupt();
      interrupted.addEventListener('abort', interrupt, { once: true });
      work.then(resolve, reject).finally(() => interrupted.removeEventListener('abort', interrupt));
    });
  }

  [Symbol.dispose](): void {
    for (const signal of stopSignals) process.off(signal, this.#onSignal);
  }
}
