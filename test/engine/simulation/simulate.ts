import { mkdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as fc from 'fast-check';
import { Unhealthy } from '../../../probes/probe.ts';
import type { Probe } from '../../../probes/probe.ts';
import type { Command, Component, Service, Task } from '../../../src/engine/component.ts';
import { transitiveDependents } from '../../../src/engine/graph.ts';
import { startGraph } from '../../../src/engine/startGraph.ts';
import type { RunningGraph } from '../../../src/engine/startGraph.ts';
import { Machine } from './machine.ts';
import type { Life } from './machine.ts';
import { healthy, scenario as scenarios, successful } from './scenario.ts';
import type { Order, Plan, Scenario } from './scenario.ts';
import { VirtualClock } from './virtualClock.ts';
import { Witness } from './witness.ts';

/** The timers of this process, before any of them is replaced. */
const { setImmediate } = globalThis;

/** The logs of all simulated programs, which write nothing. In memory where that exists. */
const logDir = join(tmpdir(), `k8s-single-simulation-${process.pid}`);

/** Longest time that a simulation waits until nothing changes any more, in simulated ms. */
const quietTimeoutMs = 900_000;

/** Time limit for the search of a smaller graph that fails in the same way, in real ms. */
const shrinkTimeoutMs = 60_000;

/**
 * Runs random graphs, the same ones for each seed.
 * @throws with the smallest graph found that breaks a promise, and with its seed
 */
export async function simulateGraphs(
  numRuns: number,
  seed: number,
  { check, timeoutMs = shrinkTimeoutMs }: { check?: (each: Scenario) => void; timeoutMs?: number } = {},
): Promise<void> {
  using simulator = new Simulator();
  const property = fc.asyncProperty(scenarios, async (each) => {
    await simulator.run(each);
    check?.(each);
  });
  const found = await fc.check(property, { numRuns, seed, endOnFailure: true });
  if (found.counterexamplePath === null) return;
  // A time limit of fast-check counts from its start: only what has failed is run again, and shrunk.
  await fc.assert(property, { seed, path: found.counterexamplePath, interruptAfterTimeLimit: timeoutMs });
}

/** Runs the real engine through scenarios, under a simulated clock and on a simulated machine. */
export class Simulator {
  readonly #uninstall = Machine.install();

  constructor() {
    mkdirSync(logDir, { recursive: true });
  }

  /** Runs one scenario. @throws if the engine breaks a promise. */
  async run(scenario: Scenario): Promise<void> {
    const simulation = new Simulation(scenario);
    simulation.machine.takeOver();
    const uninstall = simulation.clock.install();
    const { random } = Math;
    const { stackTraceLimit } = Error;
    Error.stackTraceLimit = 0;
    // A congruential generator: the jitter is that of the scenario.
    let state = scenario.jitter;
    Math.random = () => (state = (state * 1103515245 + 12345) % 2 ** 31) / 2 ** 31;
    try {
      await simulation.run();
    } finally {
      Math.random = random;
      Error.stackTraceLimit = stackTraceLimit;
      uninstall();
    }
  }

  [Symbol.dispose](): void {
    this.#uninstall();
    rmSync(logDir, { recursive: true, force: true });
  }
}

class Simulation {
  readonly clock = new VirtualClock();
  readonly machine: Machine;
  readonly #scenario: Scenario;
  readonly #witness: Witness;
  readonly #lives = new Map<string, number>();

  constructor(scenario: Scenario) {
    this.#scenario = scenario;
    this.machine = new Machine(this.clock, (name) => this.#nextLife(name));
    this.#witness = new Witness(scenario, this.clock, this.machine);
    this.machine.onSpawn = (name) => this.#witness.spawning(name);
    this.machine.onSignal = (group, signal) => this.#witness.signalling(group, signal);
  }

  async run(): Promise<void> {
    const { clock } = this;
    const witness = this.#witness;
    const { plans, orders, bootTimeoutMs, downAtMs, hurryMs } = this.#scenario;
    const components = plans.map((plan) => this.#component(plan));
    const emit = witness.seen.bind(witness);
    const graph = startGraph(components, { emit, logDir, timeoutMs: bootTimeoutMs });
    witness.follow(graph);
    for (const order of orders) clock.set(() => this.#give(graph, order), order.atMs);
    const lastOrderAt = Math.max(0, ...orders.map(({ atMs }) => atMs));
    const isQuiet = (): boolean => clock.now > lastOrderAt && witness.isQuiet();
    await this.#runUntil(isQuiet, downAtMs ?? quietTimeoutMs);
    if (downAtMs === undefined) witness.quiet();
    witness.down();
    void graph.down().catch(() => undefined);
    if (hurryMs !== undefined) {
      await this.#runUntil(() => witness.isDone, clock.now + hurryMs);
      if (!witness.isDone) {
        witness.hurried();
        void graph.down().catch(() => undefined);
      }
    }
    await this.#runUntil(() => witness.isDone, witness.stopBy);
    witness.finished();
  }

  async #runUntil(isReached: () => boolean, untilMs: number): Promise<void> {
    for (;;) {
      // Everything that follows from the last timer happens before the next one.
      await new Promise(setImmediate);
      this.#witness.throwIfBroken();
      if (isReached() || this.clock.now >= untilMs) return;
      this.clock.advance(untilMs);
    }
  }

  #give(graph: RunningGraph, { what, component, isCascade }: Order): void {
    const dependents = isCascade ? transitiveDependents(this.#scenario.plans, component) : [];
    const settled = this.#witness.ordered(what, component, what === 'start' ? [] : dependents);
    const options = { cascade: isCascade };
    try {
      if (what === 'start') graph.start(component);
      else graph[what](component, options).then(settled, settled);
    } catch (error) {
      settled(error);
    }
  }

  #nextLife(name: string): Life {
    const { kind, lives, isLooping } = this.#scenario.plans.find((plan) => plan.name === name)!;
    const index = this.#lives.get(name) ?? 0;
    this.#lives.set(name, index + 1);
    return (
      lives[index] ?? (isLooping ? lives.at(-1) : undefined) ?? (kind === 'program' ? successful : healthy)
    );
  }

  #component(plan: Plan): Component {
    const { name, kind, needs, restart, timeoutMs, graceMs, hasPorts, hasLive } = plan;
    const common = { name, needs, restart, timeoutMs };
    if (kind === 'function') return this.#function(plan);
    const program = { command: this.#command(plan), stop: { graceMs } };
    if (kind === 'program') return { ...common, kind: 'task', run: program };
    const ready = this.#probe(name, (life, age) => (age < life.readyMs ? 'not yet' : undefined));
    const live = this.#probe(name, (life, age) => (age < life.unhealthyMs ? undefined : 'unwell'));
    const diagnose: Service['diagnose'] = (reason) =>
      reason === 'exited with code 2' ? { isPermanent: true } : undefined;
    const service = { ...common, ...program, kind: 'service', ready, diagnose } as const;
    return { ...service, ...(hasPorts && { ports: [] }), ...(hasLive && { live }) };
  }

  #command({ name, commandMs }: Plan): Service['command'] {
    // Without the environment: to copy it takes longer than all the rest of a start.
    const command: Command = { file: name, args: [], inheritEnv: false };
    if (commandMs === undefined) return command;
    return async () => new Promise((resolve) => this.#after(commandMs, () => resolve(command)));
  }

  #after(ms: number, act: () => void): void {
    if (ms !== Infinity) this.clock.set(act, ms);
  }

  /** Looks at the process of the component when the answer comes. */
  #probe(name: string, reasonWhyNot: (life: Life, ageMs: number) => string | undefined): Probe {
    return async () =>
      new Promise((resolve, reject) => {
        const group = this.machine.last(name);
        if (group === undefined || !group.leaderRuns) return reject(new Unhealthy('connection refused'));
        this.#after(group.life.probeMs, () => {
          const reason = group.leaderRuns
            ? reasonWhyNot(group.life, this.clock.now - group.startedAt)
            : 'connection reset';
          if (reason === undefined) resolve();
          else reject(new Unhealthy(reason));
        });
      });
  }

  #function({ name, needs, restart, timeoutMs, hasLive }: Plan): Task {
    let startedAt = 0;
    let life = healthy;
    const run = async (signal: AbortSignal): Promise<void> => {
      this.#witness.spawning(name);
      life = this.#nextLife(name);
      startedAt = this.clock.now;
      return new Promise((resolve, reject) => {
        if (life.probeMs !== Infinity) signal.addEventListener('abort', () => reject(signal.reason));
        this.#after(life.readyMs, resolve);
        if (life.exitMs < life.readyMs) this.#after(life.exitMs, () => reject(new Error('no')));
      });
    };
    const live: Probe = async () => {
      if (this.clock.now - startedAt >= life.unhealthyMs) throw new Unhealthy('lost');
    };
    return { kind: 'task', name, needs, restart, timeoutMs, run, ...(hasLive && { live }) };
  }
}
