import { join } from 'node:path';
import { Failure } from '../lib/errors.ts';
import { edgeOf } from './component.ts';
import type { Component, Dependency, Emit } from './component.ts';
import { dependentsOf, sortByDependencies, visitInOrder, withDependents } from './graph.ts';
import { ComponentSupervisor } from './supervise/componentSupervisor.ts';
import type { ResolvedDependency } from './supervise/dependencies.ts';
import { ForcedShutdown } from './supervise/forcedShutdown.ts';
import { ReadinessLatch } from './supervise/readinessLatch.ts';

export interface StartGraphOptions {
  readonly emit: Emit;
  /** Each component writes to `<logDir>/<name>.log`. */
  readonly logDir: string;
  /** From now until every component is ready, in ms. When it takes longer, the whole graph is stopped. */
  readonly timeoutMs: number;
  /** The command that shows the log of a component, or of all. Without it the failures have no hint. */
  readonly logsCommand?: (component?: string) => string;
}

/** A graph that is starting or has started. */
export interface RunningGraph {
  /** Resolves when every component is ready for the first time. Rejects with the Failure that prevents it. */
  readonly ready: Promise<void>;
  /** Resolves when everything has stopped. Rejects, also after everything has stopped, with the Failure that caused it. */
  readonly done: Promise<void>;
  /** Stops everything, dependents before their dependencies. A second call ends every grace period. Resolves with `done`. */
  down(): Promise<void>;
  /** Stops one component; with `cascade` its dependents first. */
  stop(name: string, options?: { cascade?: boolean }): Promise<void>;
  /** @throws Failure `notReady` while the graph is being stopped. The same holds for `restart`. */
  start(name: string): void;
  restart(name: string, options?: { cascade?: boolean }): Promise<void>;
}

/**
 * Starts the whole graph: every component as soon as its dependencies are ready, independent ones concurrently.
 * @throws Failure `usage` when the components do not form a graph (see {@link sortByDependencies}); then nothing is started.
 */
export function startGraph(components: readonly Component[], options: StartGraphOptions): RunningGraph {
  const graph = new Graph(components, options);
  graph.startAll();
  return graph;
}

class Graph implements RunningGraph {
  readonly ready: Promise<void>;
  readonly done: Promise<void>;
  readonly #options: StartGraphOptions;
  /** Dependencies before dependents. */
  readonly #order: readonly Component[];
  readonly #names: readonly string[];
  readonly #dependents: (name: string) => readonly string[];
  readonly #latches: Readonly<Record<'ready' | 'started', ReadonlyMap<string, ReadinessLatch>>>;
  readonly #supervisors: ReadonlyMap<string, ComponentSupervisor>;
  readonly #forcedShutdown = new ForcedShutdown();
  /** Aborted once, with the reason why everything ends: a Failure, or a plain Error when somebody asked for it. */
  readonly #end = new AbortController();
  #hasBooted = false;

  constructor(components: readonly Component[], options: StartGraphOptions) {
    this.#options = options;
    this.#order = sortByDependencies(components);
    this.#names = this.#order.map(({ name }) => name);
    this.#dependents = dependentsOf(this.#order);
    const latches = () => new Map(this.#names.map((name) => [name, new ReadinessLatch(name)]));
    this.#latches = { ready: latches(), started: latches() };
    this.#supervisors = new Map(this.#order.map((component) => [component.name, this.#supervise(component)]));
    this.ready = this.#allReady();
    this.done = this.#allStopped();
    // Whoever waits for only one of them need not handle the other's rejection.
    for (const outcome of [this.ready, this.done]) outcome.catch(() => undefined);
  }

  startAll(): void {
    const deadline = AbortSignal.timeout(this.#options.timeoutMs);
    deadline.addEventListener('abort', () => this.#hasBooted || this.#end.abort(this.#bootTimeout()));
    this.ready.then(
      () => (this.#hasBooted = true),
      () => undefined,
    );
    for (const name of this.#names) this.#find(name).start();
  }

  async down(): Promise<void> {
    if (this.#end.signal.aborted) this.#forcedShutdown.force(new Error('asked twice to stop'));
    this.#end.abort(new Error('asked to stop'));
    return this.done;
  }

  async stop(name: string, { cascade = false } = {}): Promise<void> {
    return this.#stopInOrder(this.#affected(name, cascade));
  }

  start(name: string): void {
    const supervisor = this.#find(name);
    // The teardown visits each component once: one started after its visit would outlive the graph.
    if (this.#end.signal.aborted)
      throw new Failure('notReady', `everything is being stopped: ${name} is not started`);
    supervisor.start();
  }

  async restart(name: string, { cascade = false } = {}): Promise<void> {
    const affected = this.#affected(name, cascade);
    await this.#stopInOrder(affected);
    for (const each of affected) this.start(each);
  }

  #supervise(component: Component): ComponentSupervisor {
    const { name, needs, restart } = component;
    const { emit, logDir, logsCommand } = this.#options;
    return new ComponentSupervisor(component, {
      ready: this.#latches.ready.get(name)!,
      started: this.#latches.started.get(name)!,
      dependencies: needs.map((need) => this.#resolveDependency(need)),
      logFile: join(logDir, `${name}.log`),
      emit: (event) => emit({ component: name, at: Date.now(), ...event }),
      onFailed: (failure) => {
        if (!this.#hasBooted || restart?.onFailure !== 'keepOthers') this.#end.abort(failure);
      },
      forcedShutdown: this.#forcedShutdown,
      logsCommand: logsCommand?.(name),
    });
  }

  #resolveDependency(dependency: Dependency): ResolvedDependency {
    const { on, condition, whenLost } = edgeOf(dependency);
    return { latch: this.#latches[condition].get(on)!, whenLost };
  }

  #find(name: string): ComponentSupervisor {
    const found = this.#supervisors.get(name);
    if (found !== undefined) return found;
    const hint = `there are: ${this.#names.join(', ')}`;
    throw new Failure('usage', `there is no component "${name}"`, { hint });
  }

  #affected(name: string, cascade: boolean): string[] {
    return cascade ? withDependents(this.#order, name) : [name];
  }

  async #stopInOrder(names: readonly string[]): Promise<void> {
    await visitInOrder(names.toReversed(), this.#dependents, async (name) => this.#find(name).stop());
  }

  async #allReady(): Promise<void> {
    return new Promise((resolve, reject) => {
      // One listener for all latches: each listener that a signal gets goes through all it has.
      this.#end.signal.addEventListener('abort', () => reject(this.#end.signal.reason), { once: true });
      const latches = [...this.#latches.ready.values()];
      Promise.all(latches.map(async (latch) => latch.whenSet())).then(() => resolve(), reject);
    });
  }

  async #allStopped(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#end.signal.addEventListener('abort', () => {
        const reason: unknown = this.#end.signal.reason;
        this.#stopInOrder(this.#names).then(
          () => (reason instanceof Failure ? reject(reason) : resolve()),
          reject,
        );
      });
    });
  }

  #bootTimeout(): Failure {
    const { timeoutMs, logsCommand } = this.#options;
    const latches = [...this.#latches.ready.values()];
    const missing = latches.filter(({ isSet }) => !isSet).map(({ name }) => name);
    const longer = 'give it longer: --timeout';
    return new Failure('notReady', `not ready within ${timeoutMs / 1000} s: ${missing.join(', ')}`, {
      hint: logsCommand === undefined ? longer : `see why: ${logsCommand()}; or ${longer}`,
    });
  }
}
