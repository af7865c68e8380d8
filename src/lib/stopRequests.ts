const signals = ['SIGTERM', 'SIGINT', 'SIGHUP'] as const;

/** The signals that ask this program to stop. What comes before somebody listens is not lost. */
export class StopRequests {
  #waiting = 0;
  #deliver = (): void => void (this.#waiting += 1);
  readonly #onSignal = (): void => this.#deliver();

  constructor() {
    for (const signal of signals) process.on(signal, this.#onSignal);
  }

  /** Calls `stop` once for each signal, those that came earlier included. */
  send(stop: () => void): void {
    this.#deliver = stop;
    for (; this.#waiting > 0; this.#waiting -= 1) stop();
  }

  close(): void {
    for (const signal of signals) process.off(signal, this.#onSignal);
  }
}
