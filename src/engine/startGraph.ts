import { join } from 'node:path';
import { edgeOf } from './component.ts';
import type { Component, Condition, Emit, Happening, Need } from './component.ts';
import { Failure } from '../lib/errors.ts';
import { cascade, dependentsOf, sort, withDependents } from './graph.ts';
import { Gate } from './supervise/readinessLatch.ts';
import { Hurry } from './supervise/forcedShutdown.ts';
import type { Bond } from './supervise/dependencies.ts';
import { supervise } from './supervise/supervise.ts';
import type { Supervised } from './supervise/supervise.ts';

export interface UpOptions {
  readonly emit: Emit;
  /** Each service writes to `<logDir>/<name>.log`. */
  readonly logDir: string;
  /** From now until everything is ready, in ms; later the whole graph is stopped. */
  readonly timeoutMs: number;
  /** The command that shows the log of a component, or of all: for the hints of failures, which else have none. */
  readonly logsCommand?: (component?: string) => string;
}

/** A graph that is being brought up or is up. */
export interface Running {
  /** Resolves when every component is ready for the first time; rejects with the Failure that prevents it. */
  readonly ready: Promise<void>;
  /** Resolves when everything has been stopped; rejects, then too, with the Failure that brought it down. */
  readonly done: Promise<void>;
  /** Stops everything, dependents before what they need. Called again it cuts every grace short. Resolves with `done`. */
  down(): Promise<void>;
  /** Stops one component, or with `cascade` first all that need it. */
  stop(name: string, options?: { cascade?: boolean }): Promise<void>;
  /** @throws Failure `notReady` when everything is being stopped: so do `restart` and whatever else starts something. */
  start(name: string): void;
  restart(name: string, options?: { cascade?: boolean }): Promise<void>;
}

/**
 * Brings the whole graph up: every component starts as soon as its needs are ready, independent ones in parallel.
 * @throws Failure `usage` when the graph is not one (see {@link sort}), before anything is started.
 */
export function up(
  components: readonly Component[],
  { emit, logDir, timeoutMs, logsCommand }: UpOptions,
): Running {
  const order = sort(components);
  const names = order.map(({ name }) => name);
  const dependents = dependentsOf(order);
  const gates = new Map(names.map((name) => [name, new Gate(name)]));
  const started = new Map(names.map((name) => [name, new Gate(name)]));
  const hurry = new Hurry();
  /** Aborted once, with why everything ends: a Failure, or a mere Error when somebody asked for it. */
  const end = new AbortController();

  let booted = false;
  const ready = everyGate(gates, end.signal);
  const supervised = new Map(
    order.map((component) => {
      const ward = {
        gate: gates.get(component.name)!,
        started: started.get(component.name)!,
        needs: component.needs.map((need) => bond({ started, ready: gates }, need)),
        logFile: join(logDir, `${component.name}.log`),
        say: (happening: Happening) => emit({ component: component.name, at: Date.now(), ...happening }),
        onGivenUp: (failure: Failure) => {
          if (!booted || component.restart?.givenUp !== 'keep') end.abort(failure);
        },
        hurry,
        logsCommand: logsCommand?.(component.name),
      };
      return [component.name, supervise(component, ward)];
    }),
  );
  const boot = AbortSignal.timeout(timeoutMs);
  boot.addEventListener(
    'abort',
    () => booted || end.abort(bootTookTooLong(gates, timeoutMs, logsCommand?.())),
  );
  ready.then(
    () => (booted = true),
    () => undefined,
  );

  const find = (name: string): Supervised => {
    const found = supervised.get(name);
    if (found !== undefined) return found;
    throw new Failure('usage', `there is no component "${name}"`, { hint: `there are: ${names.join(', ')}` });
  };
  const start = (name: string): void => {
    const component = find(name);
    // What has been stopped once is not visited again, and would outlive the graph.
    if (end.signal.aborted)
      throw new Failure('notReady', `everything is being stopped: ${name} is not started`);
    component.start();
  };
  const stop = async (some: readonly string[]): Promise<void> =>
    cascade(some.toReversed(), dependents, async (name) => find(name).stop());
  const affected = (name: string, all = false): string[] => (all ? withDependents(order, name) : [name]);

  const done = new Promise<void>((resolve, reject) => {
    end.signal.addEventListener('abort', () => {
      const { reason } = end.signal as { reason: unknown };
      stop(names).then(() => (reason instanceof Failure ? reject(reason) : resolve()), reject);
    });
  });
  done.catch(() => undefined);
  for (const name of names) find(name).start();

  return {
    ready,
    done,
    down: async () => {
      if (end.signal.aborted) hurry.now(new Error('asked twice to stop'));
      end.abort(new Error('asked to stop'));
      return done;
    },
    stop: async (name, { cascade: all } = {}) => stop(affected(name, all)),
    start,
    restart: async (name, { cascade: all } = {}) => {
      const some = affected(name, all);
      await stop(some);
      for (const other of some) start(other);
    },
  };
}

async function everyGate(gates: ReadonlyMap<string, Gate>, end: AbortSignal): Promise<void> {
  const ready = new Promise<void>((resolve, reject) => {
    // One listener for all gates: each more that a signal gets goes through all it has.
    end.addEventListener('abort', () => reject(end.reason), { once: true });
    Promise.all([...gates.values()].map(async (gate) => gate.opened())).then(() => resolve(), reject);
  });
  // Whoever only waits for `done` need not look at `ready`.
  ready.catch(() => undefined);
  return ready;
}

function bond(gates: Readonly<Record<Condition, ReadonlyMap<string, Gate>>>, need: Need): Bond {
  const { on, condition, whenLost } = edgeOf(need);
  return { gate: gates[condition].get(on)!, whenLost };
}

function bootTookTooLong(
  gates: ReadonlyMap<string, Gate>,
  timeoutMs: number,
  logsCommand: string | undefined,
): Failure {
  const missing = [...gates.values()].filter(({ isOpen }) => !isOpen).map(({ name }) => name);
  const longer = 'give it longer: --timeout';
  return new Failure('notReady', `not ready within ${timeoutMs / 1000} s: ${missing.join(', ')}`, {
    hint: logsCommand === undefined ? longer : `see why: ${logsCommand}; or ${longer}`,
  });
}
