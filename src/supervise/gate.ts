import { EventEmitter, once } from 'node:events';

/** Says of one component whether it is ready, now and as it changes. Closed at first. */
export class Gate {
  readonly name: string;
  #open = false;
  #timesLost = 0;
  readonly #changes = new EventEmitter().setMaxListeners(0);

  constructor(name: string) {
    this.name = name;
  }

  get isOpen(): boolean {
    return this.#open;
  }

  /** How often it was ready and then no more. */
  get timesLost(): number {
    return this.#timesLost;
  }

  open(): void {
    this.#open = true;
    this.#changes.emit('open');
  }

  close(): void {
    if (!this.#open) return;
    this.#open = false;
    this.#timesLost += 1;
    this.#changes.emit('close');
  }

  /** Resolves once it is open; rejects when the signal aborts. */
  async opened(signal: AbortSignal): Promise<void> {
    if (!this.#open) await once(this.#changes, 'open', { signal });
  }

  /** Resolves once it is closed; rejects when the signal aborts. */
  async closed(signal: AbortSignal): Promise<void> {
    if (this.#open) await once(this.#changes, 'close', { signal });
  }
}
