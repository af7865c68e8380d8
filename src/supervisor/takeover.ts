import { createHash } from 'node:crypto';
import { readProcessStatSync } from '../../probes/proc.ts';
import type { Adoption, Command, Component, Dependency, Service } from '../engine/component.ts';
import { edgeOf, restartDefaults } from '../engine/component.ts';
import { note } from '../host/checkResult.ts';
import type { CheckResult } from '../host/checkResult.ts';
import { livingComponents, markVariable, newMark, recordComponents } from '../instance/runningComponents.ts';
import type { RunningComponent, RunningComponents } from '../instance/runningComponents.ts';
import { stopOrphans, stopStrangers } from '../instance/stopOrphans.ts';
import { reasonOf } from '../lib/errors.ts';
import { version } from '../lib/version.ts';
import { portForwarderName } from './ports/component.ts';

interface RunFolder {
  /** Of the node. */
  readonly name: string;
  readonly run: string;
}

/**
 * The components of a node without a sandbox outlive a supervisor that is killed. This is how the next one takes them over: every
 * process has a mark in its environment, and is recorded with its start time and a fingerprint of what it runs.
 */
export class Takeover {
  readonly #name: string;
  readonly #run: string;
  readonly #node: string;
  readonly #mark: string;
  /** Those of the last supervisor that are neither taken over nor stopped yet. */
  readonly #left: Map<string, RunningComponent>;
  /** Those that this supervisor has started. */
  readonly #started = new Set<string>();
  readonly #recorded: Record<string, RunningComponent>;
  /** What was found, for people. */
  readonly checks: readonly CheckResult[];

  /** Whether there is something to take over: then the host is prepared already. */
  readonly isFound: boolean;

  private constructor(
    { name, run }: RunFolder,
    { mark, node, components }: RunningComponents,
    checks: readonly CheckResult[] = [],
  ) {
    this.#name = name;
    this.#run = run;
    this.#node = node;
    this.#mark = mark;
    this.#left = new Map(Object.entries(components));
    this.#recorded = { ...components };
    this.isFound = this.#left.size > 0;
    this.checks = checks;
  }

  /**
   * Looks for what a killed supervisor has left in the run folder, and stops what nobody can judge. Call it with the lock of the node.
   * @param plan what the node is made from: with another one, nothing is taken over
   */
  static async begin(folder: RunFolder, plan: unknown): Promise<Takeover> {
    const node = fingerprintOf(version(), plan);
    const nothing = { mark: newMark(), node, components: {} };
    const living = livingComponents(folder.run);
    if (living === undefined) return new Takeover(folder, nothing);
    const pids = Object.values(living.components).map(({ pid }) => pid);
    const found = `${pids.length} of a supervisor that was killed still run`;
    if (living.node !== node)
      return new Takeover(folder, nothing, [
        note('components', `${found}, of another config or k8s-single: they are stopped`, ''),
      ]);
    const late = await stopStrangers(folder, pids);
    return new Takeover(folder, living, [
      note('components', `${found}: those that are healthy are taken over`, ''),
      ...(late.length > 0 ? [note('components', `killed after their grace: ${late.join(', ')}`, '')] : []),
    ]);
  }

  /** Stops all that is left, in order: nothing can be taken over after all. */
  async abandon(): Promise<void> {
    if (this.#left.size === 0) return;
    this.#left.clear();
    await stopOrphans(this.#name, this.#run);
  }

  /**
   * The same component, whose process is recorded, and taken over from the last supervisor if it still runs.
   * @param madeFrom gives what it is made from besides its command
   */
  follow(component: Component, madeFrom: () => unknown): Component {
    if (component.kind === 'task' || !canBeJudged(component)) return component;
    const { name, command, needs } = component;
    const marked = (plain: Command): Command => ({
      ...plain,
      env: { ...plain.env, [markVariable]: this.#mark },
    });
    const isReplaced = (need: Dependency): boolean => {
      const { on, whenLost } = edgeOf(need);
      return whenLost !== 'keep' && this.#started.has(on);
    };
    const adoption: Adoption = {
      takePredecessor: () => {
        const found = this.#left.get(name);
        this.#left.delete(name);
        if (found === undefined) return undefined;
        const isSame = (now: Command): boolean => found.fingerprint === fingerprintOf(now, madeFrom());
        return { pid: found.pid, runs: (now) => isSame(now) && !needs.some(isReplaced) };
      },
      started: (pid, now) => {
        this.#started.add(name);
        this.#record(name, pid, fingerprintOf(now, madeFrom()));
      },
    };
    return {
      ...component,
      adoption,
      command: typeof command === 'function' ? async () => marked(await command()) : marked(command),
    };
  }

  #record(name: string, pid: number, fingerprint: string): void {
    const startTime = readProcessStatSync(pid)?.starttime;
    if (startTime === undefined) return;
    this.#recorded[name] = { pid, startTime, fingerprint };
    try {
      recordComponents(this.#run, { mark: this.#mark, node: this.#node, components: this.#recorded });
    } catch (error) {
      // The next supervisor stops what it does not find there.
      console.error(`${name} cannot be taken over from a supervisor that is killed: ${reasonOf(error)}`);
    }
  }
}

/**
 * Nobody hears how a process ends that another one started. So it must not matter. Published ports are bound by the supervisor first,
 * which finds out whether they are free.
 */
function canBeJudged({ name, restart }: Service): boolean {
  const { when = restartDefaults.when } = restart ?? {};
  return when === 'always' && name !== portForwarderName;
}

function fingerprintOf(...values: readonly unknown[]): string {
  return createHash('sha256').update(JSON.stringify(values)).digest('base64');
}
