import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import type { Duplex } from 'node:stream';
import type { Signals } from '../lib/signals.ts';
import { farewell } from './words.ts';

/** A program that runs in namespaces of its own. */
export interface Entered {
  /** Its exit code, 128 + n for signal n, when it and every trace of it are gone. */
  readonly exited: Promise<number>;
  /** Raises a signal in it, once. Never lost, however early. */
  readonly signal: (signal: NodeJS.Signals) => void;
  /** Lets go: this process may end and the one inside lives on. */
  readonly detach: () => Promise<void>;
}

/** The program by its keeper `child`, whose exit code is `ended`: from now on it gets this process's signals. */
export function hold(
  child: ChildProcess,
  control: Duplex,
  ended: Promise<number>,
  signals: Signals,
): Entered {
  const signal = (name: NodeJS.Signals): void => void control.write(`${name}\n`);
  signals.sendTo(signal);
  const detach = async (): Promise<void> => {
    signals.close();
    control.end(`${farewell}\n`);
    await once(control, 'finish');
    // It can be read from, too, and that would keep this process alive.
    control.destroy();
    child.unref();
  };
  return { signal, detach, exited: ended.finally(signals.close) };
}
