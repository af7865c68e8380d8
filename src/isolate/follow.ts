import { Socket } from 'node:net';
import { createInterface } from 'node:readline';
import { fds, forgetBox } from './box.ts';
import type { Box } from './box.ts';
import type { Addresses } from './furnish.ts';
import type { Snapshotter } from './snapshotter.ts';

/** Said by the process outside when it leaves and the node is to live on. */
export const farewell = 'detach';

/** What there is to tell the process inside: one line of JSON. */
export interface Told {
  readonly box: Box;
  /** What the folder of containerd's data takes. */
  readonly snapshotter?: Snapshotter | undefined;
  /** Added to the environment of the process inside. */
  readonly env?: Readonly<Record<string, string>> | undefined;
  /** What it is for. JSON. */
  readonly task?: unknown;
}

/** What it says when it has made the box. */
export interface Saying extends Told {
  readonly addresses: Addresses;
}

/** The process outside, as the one inside knows it. */
export interface Outside extends Saying {
  /**
   * From now on does what it says: each signal it got is raised here, once. When it is gone without a farewell (killed, or its
   * terminal closed), SIGTERM is: the node never outlives a foreground `up`. Have the signal handlers in place before; what
   * was said earlier is not lost. Does not keep this process alive.
   */
  readonly follow: () => void;
}

/** Inside, resolves with what this process is told by the one outside; undefined when that is gone, or nothing came of the node. */
export async function hearOutside(): Promise<Outside | undefined> {
  const control = new Socket({ fd: fds.control, readable: true, writable: false });
  const lines = createInterface({ input: control, crlfDelay: Infinity });
  control.on('error', () => lines.close());
  // Keeps what is said until somebody listens.
  const words = lines[Symbol.asyncIterator]();
  const first: IteratorResult<string, unknown> = await words.next();
  if (first.done === true) return undefined;
  forgetBox();
  const told: Saying = JSON.parse(first.value);
  Object.assign(process.env, told.env);
  const follow = (): void => {
    control.unref();
    void obey(words);
  };
  return { ...told, follow };
}

async function obey(words: AsyncIterableIterator<string>): Promise<void> {
  for await (const word of words) {
    if (word === farewell) return;
    process.kill(process.pid, word);
  }
  process.kill(process.pid, 'SIGTERM');
}
