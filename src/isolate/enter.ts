import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import type { Server } from 'node:net';
import { constants } from 'node:os';
import { join } from 'node:path';
import { Duplex } from 'node:stream';
import { Failure } from '../errors.ts';
import type { Box } from './box.ts';
import { claim } from './claim.ts';
import type { Claim } from './claim.ts';
import type { Traces } from './clear.ts';
import { farewell } from './follow.ts';
import type { Saying, Told } from './follow.ts';
import { spawnKeeper } from './keeper.ts';
import type { Program } from './keeper.ts';
import { assertCanIsolate } from './preflight.ts';
import { onSignals } from './signals.ts';
import type { Signals } from './signals.ts';
import type { Snapshotter } from './snapshotter.ts';

/** What has to be known of a box when the process in it is started. */
export interface Beginning extends Traces, Program {
  /** Listens on the host, for the program to serve as descriptor {@link fds}.listener. */
  readonly listener?: (() => Promise<Server>) | undefined;
  /** What else there is where there can be no namespaces: the hint of the Failure. */
  readonly without?: string | undefined;
}

/** A program that has been started in namespaces of its own and waits to be told what for. */
export interface Begun {
  /** Resolves when it has its namespaces, and the host is looked at. @throws Failure `preflight` with the reason when it cannot have them. */
  readonly entered: Promise<void>;
  /** Tells it. Rejects when what a node before has left cannot be removed. */
  readonly tell: (told: Told) => Promise<Entered>;
  /** Ends it before it was told; then nothing is left of it. Does nothing afterwards. */
  readonly leave: () => Promise<void>;
}

/** A program that runs in namespaces of its own. */
export interface Entered {
  /** Its exit code, 128 + n for signal n, when it and every trace of it are gone. */
  readonly exited: Promise<number>;
  /** Raises a signal in it, once. Never lost, however early. */
  readonly signal: (signal: NodeJS.Signals) => void;
  /** Lets go: this process may end and the one inside lives on. */
  readonly detach: () => Promise<void>;
}

/**
 * Starts a program in its own network, mount, UTS, PID and IPC namespaces with an init as PID 1; they
 * are furnished when it is told of its box. SIGTERM, SIGINT and SIGHUP of this process wait until then, and go to it until
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

/** {@link begin}, and tells it at once. */
export async function enter(inside: Box & Beginning, told: Omit<Told, 'box'> = {}): Promise<Entered> {
  const begun = await begin(inside);
  try {
    await begun.entered;
    return await begun.tell({ ...told, box: inside });
  } catch (error) {
    await begun.leave();
    throw error;
  }
}

async function start(beginning: Beginning, signals: Signals): Promise<Begun> {
  const claimed = await claim(beginning);
  const child = await spawnWith(beginning, claimed).catch((error: unknown) => {
    claimed.withdraw();
    throw error;
  });
  const control = child.stdio[3];
  if (!(control instanceof Duplex)) throw new Error('no control descriptor');
  // When it has ended just now, its exit is the answer to whatever we say.
  control.on('error', () => {});
  const ended = exitOf(child, beginning);
  const inside = Promise.race([pidSaid(control), ended]).then(async (first) => {
    if (typeof first === 'string') return Number(first);
    // No namespaces, and so nobody who could have said something.
    await assertCanIsolate(beginning.without);
    throw new Failure('preflight', `the process in the namespaces ended at once, with exit code ${first}`);
  });
  const ground = clearGround(beginning);
  const seen = ground.then(async ({ routes, snapshotter }) => Promise.all([routes, snapshotter]));
  const entered = Promise.all([inside, ground]).then(() => undefined);
  // Whoever waits for them hears of it; nobody does yet.
  for (const pending of [ended, inside, seen, entered]) pending.catch(() => undefined);
  let isDecided = false;
  return {
    entered,
    tell: async (told) => {
      const [pid, looks] = await Promise.all([inside, ground]);
      const routes = await looks.routes;
      const { furnish } = await import('./furnish.ts');
      // Who asks it to end before it has begun is heard: with the namespaces goes whatever is at work in them.
      signals.sendTo(() => void control.end());
      const making = control.writableEnded
        ? undefined
        : furnish(told.box, { pid, path: told.env?.['PATH'] }, routes);
      const addresses = await making?.catch((error: unknown) => {
        if (!control.writableEnded) throw error;
      });
      // Not at the same time: if that fails, nothing is at work any more.
      const snapshotter = await looks.snapshotter;
      isDecided = true;
      if (addresses !== undefined && !control.writableEnded)
        control.write(`${JSON.stringify({ snapshotter, ...told, addresses } satisfies Saying)}\n`);
      claimed.close();
      return hold(child, control, ended, signals);
    },
    leave: async () => {
      if (isDecided) return;
      isDecided = true;
      signals.close();
      control.end();
      await Promise.allSettled([ended, seen]);
      claimed.withdraw();
    },
  };
}

async function spawnWith(beginning: Beginning, locks: Claim): Promise<ChildProcess> {
  const listener = await beginning.listener?.();
  try {
    return await spawnKeeper(beginning, { ...locks, listener });
  } finally {
    listener?.close();
  }
}

/** What the shell in the namespaces says when it has them: its process id. Stays without an answer when there is none. */
async function pidSaid(control: Duplex): Promise<string> {
  return new Promise((resolve) => {
    let said = '';
    control.setEncoding('utf8').on('data', (text: string) => {
      said += text;
      if (said.endsWith('\n')) resolve(said);
    });
  });
}

/** What is seen of the host when nothing of a node before is left. */
interface Ground {
  readonly routes: Promise<string | undefined>;
  /** The box is not kept waiting for it: the mount that is tried takes the kernel 10 ms and more. */
  readonly snapshotter: Promise<Snapshotter>;
}

/** Removes what a node before has left, and then looks at the host: resolves when it has begun to. */
async function clearGround(traces: Traces): Promise<Ground> {
  // Loaded while the process inside starts.
  const { removeRemains } = await import('./clear.ts');
  await removeRemains(traces);
  const [{ routesOfHost }, { chooseSnapshotter }] = await Promise.all([
    import('./network.ts'),
    import('./snapshotter.ts'),
  ]);
  return { routes: routesOfHost(), snapshotter: chooseSnapshotter(join(traces.data, 'containerd')) };
}

function hold(child: ChildProcess, control: Duplex, ended: Promise<number>, signals: Signals): Entered {
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

async function exitOf(child: ChildProcess, traces: Traces): Promise<number> {
  const end = await new Promise<number | NodeJS.Signals>((resolve) => {
    child.once('exit', (code, killer) => resolve(killer ?? code ?? 0));
  });
  if (typeof end === 'number') return end;
  // The keeper itself was killed: what it would have done is ours to do.
  const { clear } = await import('./clear.ts');
  await clear(traces);
  return 128 + constants.signals[end];
}
