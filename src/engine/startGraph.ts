import { join } from 'node:path';
import { Failure } from '../lib/errors.ts';
import { edgeOf } from './component.ts';
import type { Component, Condition, Dependency, Emit } from './component.ts';
import { dependentsOf, sortByDependencies, transitiveDependents, visitInOrder } from './graph.ts';
import { ComponentSupervisor } from './supervise/componentSupervisor.ts';
import type { ResolvedDependency } from './supervise/dependencies.ts';
import { ForcedShutdown } from './supervise/forcedShutdown.ts';
import { ReadinessLatch } from './supervise/readinessLatch.ts';

export interface StartGraphOptions {
  readonly emit: Emit;
  /** Each component writes to `<logDir>/<name>.log`. */
  readonly logDir: string;
  /** Deadline for every component to be ready, in ms from now. When it passes, the whole graph is stopped. */
  readonly timeoutMs: number;
  /** Called before each start of a component but its first. Must not reject. */
  readonly beforeRestart?: (() => Promise<void>) | undefined;
  /** The command that shows the log of one component, or of all; it becomes the hint of a failure. */
  readonly logsCommand?: (component?: string) => string;
}

/** A graph that is starting or has started. */
export interface RunningGraph {
  /**
   * Resolves when every component was ready once. Does not wait for an optional one, nor for one that failed and keeps the
   * others or that is stopped by request, nor for its dependents. Rejects with the Failure that stops the graph before.
   */
  readonly ready: Promise<void>;
  /** Settles when everything has stopped. Rejects with the Failure that caused the stop, if one did. */
  readonly done: Promise<void>;
  /** Stops everything, dependents before their dependencies. A second call ends all grace periods. Returns `done`. */
  down(): Promise<void>;
  /**
   * Stops one component; with `cascade`, all its dependents before it.
   * @throws Failure `notReady` if a process cannot be killed
   */
  stop(name: string, options?: { cascade?: boolean }): Promise<void>;
  /** @throws Failure `notReady` once the graph is being stopped. */
  start(name: string): void;
  /**
   * Stops a component, then starts it. With `cascade`, its dependents, too, except those that a request had stopped before. A
   * component that is requested to stop in the meantime stays stopped.
   */
  restart(name: string, options?: { cascade?: boolean }): Promise<void>;
}

/**
 * Starts the whole graph: every component as soon as its dependencies are ready, independent ones concurrently.
 * @throws Failure `usage` if the components cannot be sorted (see {@link sortByDependencies}). Nothing is started then.
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
  readonly #latches: Readonly<Record<Condition, ReadonlyMap<string, ReadinessLatch>>>;
  readonly #supervisors: ReadonlyMap<string, ComponentSupervisor>;
  readonly #forcedShutdown = new ForcedShutdown();
  #onBooted = (): void => undefined;
  /** Aborted to stop everything: with a Failure, or with a plain Error for a requested stop. */
  readonly #stopAll = new AbortController();
  /** The components that the boot waits for. */
  readonly #pending: Set<string>;
  /** The components whose last request was a stop. */
  readonly #toStayStopped = new Set<string>();

  constructor(components: readonly Component[], options: StartGraphOptions) {
    this.#options = options;
    this.#order = sortByDependencies(components);
    this.#names = this.#order.map(({ name }) => name);
    this.#pending = new Set(this.#order.flatMap(({ name, optional }) => (optional === true ? [] : [name])));
    this.#dependents = dependentsOf(this.#order);
    const latches = () => new Map(this.#names.map((name) => [name, new ReadinessLatch(name)]));
    this.#latches = { ready: latches(), started: latches() };
    this.#supervisors = new Map(this.#order.map((component) => [component.name, this.#supervise(component)]));
    this.ready = this.#allReady();
    this.done = this.#allStopped();
    // A caller that awaits only one of them must not get an unhandled rejection from the other.
    for (const promise of [this.ready, this.done]) promise.catch(() => undefined);
  }

  startAll(): void {
    const deadline = AbortSignal.timeout(this.#options.timeoutMs);
    deadline.addEventListener('abort', () => {
      if (this.#pending.size > 0) this.#stopAll.abort(this.#bootTimeout());
    });
    for (const name of this.#names) this.#find(name).start();
  }

  async down(): Promise<void> {
    if (this.#stopAll.signal.aborted) this.#forcedShutdown.force(new Error('stop requested twice'));
    this.#stopAll.abort(new Error('stop requested'));
    return this.done;
  }

  async stop(name: string, { cascade = false } = {}): Promise<void> {
    const affected = this.#affected(name, cascade);
    for (const each of affected) this.#toStayStopped.add(each);
    for (const each of this.#affected(name, true)) this.#bootedOrBlocked(each);
    return this.#stopInOrder(affected);
  }

  start(name: string): void {
    const supervisor = this.#find(name);
    // The stop visits each component once: one started after its visit would outlive the graph.
    if (this.#stopAll.signal.aborted)
      throw new Failure('notReady', `cannot start ${name}: all components are being stopped`);
    this.#toStayStopped.delete(name);
    supervisor.start();
  }

  async restart(name: string, { cascade = false } = {}): Promise<void> {
    this.#toStayStopped.delete(name);
    const affected = this.#affected(name, cascade).filter((each) => !this.#toStayStopped.has(each));
    const stopped = this.#stopInOrder(affected);
    await stopped.catch(() => undefined);
    for (const each of affected) if (!this.#toStayStopped.has(each)) this.start(each);
    return stopped;
  }

  #supervise(component: Component): ComponentSupervisor {
    const { name, needs, restart, optional } = component;
    const mark = optional === true ? ({ optional } as const) : {};
    const { emit, logDir, logsCommand, beforeRestart } = this.#options;
    return new ComponentSupervisor(component, {
      ready: this.#latches.ready.get(name)!,
      started: this.#latches.started.get(name)!,
      dependencies: needs.map((need) => this.#resolveDependency(need)),
      logFile: join(logDir, `${name}.log`),
      emit: (event) => emit({ component: name, at: Date.now(), ...mark, ...event }),
      onFailed: (failure) => {
        if (restart?.onFailure !== 'keepOthers') this.#stopAll.abort(failure);
        else for (const each of this.#affected(name, true)) this.#bootedOrBlocked(each);
      },
      forcedShutdown: this.#forcedShutdown,
      beforeRestart,
      logsCommand: logsCommand?.(name),
    });
  }

  #resolveDependency(dependency: Dependency): ResolvedDependency {
    const { on, condition, whenLost } = edgeOf(dependency);
    return { latch: this.#latches[condition].get(on)!, whenLost };
  }

  #find(name: string): ComponentSupervisor {
    const supervisor = this.#supervisors.get(name);
    if (supervisor !== undefined) return supervisor;
    const hint = `the components are: ${this.#names.join(', ')}`;
    throw new Failure('usage', `there is no component "${name}"`, { hint });
  }

  /** In the order in which they start. */
  #affected(name: string, cascade: boolean): string[] {
    return cascade ? [name, ...transitiveDependents(this.#order, name)] : [name];
  }

  /** Stops all, also if one of them cannot be stopped, and then rejects with the Failure of the first such one. */
  async #stopInOrder(names: readonly string[]): Promise<void> {
    const failures: unknown[] = [];
    for (const name of names) this.#find(name).announceStop();
    await visitInOrder(names.toReversed(), this.#dependents, async (name) =>
      this.#find(name)
        .stop()
        .catch((error: unknown) => void failures.push(error)),
    );
    if (failures.length > 0) throw failures[0];
  }

  async #allReady(): Promise<void> {
    return new Promise((resolve, reject) => {
      // One listener for all latches: in Node.js, adding a listener to a signal iterates over those it has.
      this.#stopAll.signal.addEventListener('abort', () => reject(this.#stopAll.signal.reason), {
        once: true,
      });
      this.#onBooted = resolve;
      for (const latch of this.#latches.ready.values())
        latch.whenSet().then(() => this.#bootedOrBlocked(latch.name), reject);
      if (this.#pending.size === 0) resolve();
    });
  }

  /** The boot no longer waits for this component: it was ready, or it cannot become ready. */
  #bootedOrBlocked(name: string): void {
    this.#pending.delete(name);
    if (this.#pending.size === 0) this.#onBooted();
  }

  async #allStopped(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#stopAll.signal.addEventListener('abort', () => {
        const reason: unknown = this.#stopAll.signal.reason;
        this.#stopInOrder(this.#names).then(
          () => (reason instanceof Failure ? reject(reason) : resolve()),
          (error: unknown) => reject(reason instanceof Failure ? reason : error),
        );
      });
    });
  }

  #bootTimeout(): Failure {
    const { timeoutMs, logsCommand } = this.#options;
    const missing = [...this.#pending].filter((name) => !this.#latches.ready.get(name)?.isSet);
    const longer = 'raise --timeout';
    return new Failure('notReady', `not ready within ${timeoutMs / 1000} s: ${missing.join(', ')}`, {
      hint: logsCommand === undefined ? longer : `see why: ${logsCommand()}; or ${longer}`,
    });
  }
}
