import { Socket } from 'node:net';
import { createInterface } from 'node:readline';
import { fds, forgetBox } from './sandboxSpec.ts';
import type { Box } from './sandboxSpec.ts';
import type { Addresses } from './furnish.ts';
import type { Snapshotter } from '../host/snapshotter.ts';
import { farewell, welcome } from './words.ts';

/** What there is to tell the process inside besides its box: one line of JSON. */
export interface Told {
  /** What the folder of containerd's data takes. */
  readonly snapshotter?: Snapshotter | undefined;
  /** Added to the environment of the process inside. */
  readonly env?: Readonly<Record<string, string>> | undefined;
  /** What it is for. JSON. */
  readonly task?: unknown;
}

/** What it says as soon as all of it is known: the box need not be made yet. */
export interface Saying extends Told {
  readonly box: Box;
  readonly addresses: Addresses;
}

/** The process outside, as the one inside knows it. */
export interface Outside extends Saying {
  /** Resolves when the box is made. @throws Forsaken when it will not be. */
  readonly made: Promise<void>;
  /**
   * From then on does what it says: each signal it got is raised here, once. When it is gone without a farewell (killed, or its
   * terminal closed), SIGTERM is: the node never outlives a foreground `up`. Have the signal handlers in place before; what
   * was said earlier is not lost. Does not keep this process alive.
   */
  readonly follow: () => void;
}

/** The process outside is gone, or nothing comes of the node: there is nobody to be told why this one ends. */
export class Forsaken extends Error {
  override readonly name = 'Forsaken';
}

/** Inside, resolves with what this process is told by the one outside. @throws Forsaken when it is told nothing. */
export async function hearOutside(): Promise<Outside> {
  const control = new Socket({ fd: fds.control, readable: true, writable: false });
  const lines = createInterface({ input: control, crlfDelay: Infinity });
  control.on('error', () => lines.close());
  // Keeps what is said until somebody listens.
  const words = lines[Symbol.asyncIterator]();
  const first: IteratorResult<string, unknown> = await words.next();
  if (first.done === true) throw new Forsaken();
  forgetBox();
  const told: Saying = JSON.parse(first.value);
  Object.assign(process.env, told.env);
  const made = heard(welcome, words);
  made.catch(() => undefined);
  const obey = async (): Promise<void> => {
    control.unref();
    await followWords(words);
  };
  // Who waits for the box hears that it will not be made.
  const follow = (): void => void made.then(obey, () => undefined);
  return { ...told, made, follow };
}

async function heard(word: string, words: AsyncIterableIterator<string>): Promise<void> {
  const next: IteratorResult<string, unknown> = await words.next();
  if (next.value !== word) throw new Forsaken();
}

async function followWords(words: AsyncIterableIterator<string>): Promise<void> {
  for await (const word of words) {
    if (word === farewell) return;
    process.kill(process.pid, word);
  }
  process.kill(process.pid, 'SIGTERM');
}
