import type { Server } from 'node:net';
import { constants } from 'node:os';
import { Failure } from '../lib/errors.ts';
import type { Box } from './sandboxSpec.ts';
import type { NodeDirs } from '../instance/cleanUp.ts';
import type { Saying, Told } from './follow.ts';
import type { Making } from './furnish.ts';
import { hold } from './hold.ts';
import type { Entered } from './hold.ts';
import { keep } from './keep.ts';
import type { Kept } from './keep.ts';
import type { Program } from './shim.ts';
import { lookAround } from './lookAround.ts';
import type { Looks } from './lookAround.ts';
import { assertCanIsolate } from '../host/preflight.ts';
import { onSignals } from '../lib/signals.ts';
import type { Signals } from '../lib/signals.ts';
import { undoMkdirAll } from '../host/undoMkdir.ts';
import { welcome } from './words.ts';

/** What has to be known of a box when the process in it is started. */
export interface Beginning extends NodeDirs, Program {
  /** Listens on the host, for the program to serve as descriptor {@link fds}.listener. */
  readonly listener?: (() => Promise<Server>) | undefined;
  /** What else there is where there can be no namespaces: the hint of the Failure. */
  readonly without?: string | undefined;
}

/** A program that has been started in namespaces of its own and waits to be told what for. */
export interface Begun {
  /** Resolves when it has its namespaces, and the host is looked at. @throws Failure `preflight` with the reason when it cannot have them. */
  readonly entered: Promise<void>;
  /** Has its box made, begun as soon as it is entered. `path`: where the programs are found that make it. Call it once. */
  make(box: Box, path?: string): InTheMaking;
  /** Ends it before it was told; then nothing is left of it. Does nothing afterwards. */
  leave(): Promise<void>;
}

/** A program whose box is being made. */
export interface InTheMaking {
  /** Settles when others are at work on it, and there is time for something else. */
  readonly begun: Promise<unknown>;
  /** Tells it, as soon as its addresses are known. Rejects when the box cannot be made, or what a node before has left not be removed. */
  readonly tell: (told: Told) => Promise<Entered>;
}

/**
 * Starts a program in its own network, mount, UTS, PID and IPC namespaces with an init as PID 1; they
 * are furnished when its box is made. SIGTERM, SIGINT and SIGHUP of this process wait until then, and go to it until
 * it has exited, or until the owner of `signals` sends them elsewhere. Rejects with a preflight Failure when the node runs already.
 */
export async function begin(beginning: Beginning, signals: Signals = onSignals()): Promise<Begun> {
  try {
    return await start(beginning, signals);
  } catch (error) {
    signals.close();
    throw error;
  }
}

/** {@link begin}, and all the rest at once. */
export async function enter(inside: Box & Beginning, told: Told = {}): Promise<Entered> {
  const begun = await begin(inside);
  try {
    return await begun.make(inside, told.env?.['PATH']).tell(told);
  } catch (error) {
    await begun.leave();
    throw error;
  }
}

async function start(beginning: Beginning, signals: Signals): Promise<Begun> {
  const keeping = keepWith(beginning);
  // It loads what it looks with meanwhile.
  const looks = lookAround(beginning, keeping);
  looks.catch(() => undefined);
  return new Started(beginning, await keeping, looks, signals);
}

class Started implements Begun {
  readonly entered: Promise<void>;
  readonly #kept: Kept;
  readonly #looks: Promise<Looks>;
  /** Settles when all that looks has come to an end. */
  readonly #seen: Promise<unknown>;
  readonly #signals: Signals;
  readonly #ended: Promise<number>;
  /** The process that has the namespaces. */
  readonly #inside: Promise<number>;
  #making: Promise<Making> | undefined;
  #unmake: (() => void) | undefined;
  #isDecided = false;

  constructor(beginning: Beginning, kept: Kept, looks: Promise<Looks>, signals: Signals) {
    this.#kept = kept;
    this.#looks = looks;
    this.#seen = looks.then(async ({ routes, snapshotter }) => Promise.all([routes, snapshotter]));
    this.#signals = signals;
    this.#ended = kept.exit.then(async (how) => exitCode(how, beginning));
    this.#inside = insideOf(kept, this.#ended, beginning);
    this.entered = Promise.all([this.#inside, looks]).then(() => undefined);
    // Whoever waits for them hears of it; nobody does yet.
    for (const pending of [this.#ended, this.#inside, this.#seen, this.entered])
      pending.catch(() => undefined);
  }

  make(box: Box, path?: string): InTheMaking {
    const making = this.#make(box, path);
    making.catch(() => undefined);
    this.#making = making;
    return { begun: making, tell: async (told) => this.#tell(box, making, told) };
  }

  async leave(): Promise<void> {
    if (this.#isDecided) return;
    this.#isDecided = true;
    this.#signals.close();
    this.#kept.control.end();
    const made = this.#making?.then(async (making) => making.made);
    await Promise.allSettled([this.#ended, this.#seen, made]);
    this.#unmake?.();
    await this.#kept.claimed.withdraw();
  }

  async #make(box: Box, path: string | undefined): Promise<Making> {
    const loading = import('./furnish.ts');
    const [pid, { routes }, { furnish }] = await Promise.all([this.#inside, this.#looks, loading]);
    // Made now, its cgroup would outlive it.
    if (this.#kept.control.writableEnded) throw new Error('nobody wants the box any more');
    this.#unmake = undoMkdirAll(Object.values(box.also ?? {}));
    return furnish(box, { pid, path }, routes);
  }

  async #tell(box: Box, begun: Promise<Making>, told: Told): Promise<Entered> {
    const { child, control, claimed } = this.#kept;
    // Who asks it to end before it has begun is heard: with the namespaces goes whatever is at work in them.
    this.#signals.sendTo(() => void control.end());
    const say = (line: string): void => {
      if (!control.writableEnded) control.write(`${line}\n`);
    };
    try {
      const [{ addresses, made }, looks] = [await begun, await this.#looks];
      const known = { snapshotter: await looks.snapshotter, addresses: await addresses };
      say(JSON.stringify({ ...known, ...told, box } satisfies Saying));
      await made;
      say(welcome);
    } catch (error) {
      if (!control.writableEnded) throw error;
    }
    this.#isDecided = true;
    claimed.close();
    return hold(child, control, this.#ended, this.#signals);
  }
}

async function insideOf({ pid }: Kept, ended: Promise<number>, { without }: Beginning): Promise<number> {
  const first = await Promise.race([pid, ended.then((code) => ({ code }))]);
  if (typeof first === 'number') return first;
  // No namespaces, and so nobody who could have said something.
  await assertCanIsolate(without);
  throw new Failure('preflight', `the process in the namespaces ended at once, with exit code ${first.code}`);
}

async function keepWith({ listener: listen, ...program }: Beginning): Promise<Kept> {
  // At once, if there is nothing to wait for: all else can be loaded meanwhile.
  if (listen === undefined) return keep(program);
  const listener = await listen();
  try {
    return await keep(program, listener);
  } finally {
    listener.close();
  }
}

async function exitCode(how: number | NodeJS.Signals, traces: NodeDirs): Promise<number> {
  if (typeof how === 'number') return how;
  // The keeper itself was killed: what it would have done is ours to do.
  const { forceCleanUp } = await import('../instance/cleanUp.ts');
  await forceCleanUp(traces);
  return 128 + constants.signals[how];
}
