import type { Probe } from '../../probes/probe.ts';

/**
 * What a component does when a dependency is lost, that is, no longer ready: `keep` running; stop at once and `restart`
 * when the dependency is ready again; or `stop` until it is started by request.
 */
export type WhenLost = 'keep' | 'restart' | 'stop';

/** When a dependency counts as met: once it is `started`, or once it is `ready` (Compose: `service_started`, `service_healthy`). */
export type Condition = 'started' | 'ready';

/** A dependency as it is written down. A bare name means condition `ready` and whenLost `keep`. */
export type Dependency =
  | string
  | { readonly on: string; readonly whenLost?: WhenLost; readonly condition?: Condition };

/** A dependency with its defaults filled in: an edge of the graph, from the component to `on`. */
export interface Edge {
  /** Name of the component that is depended on. */
  readonly on: string;
  readonly whenLost: WhenLost;
  readonly condition: Condition;
}

/** Fills in the defaults of a dependency. */
export function edgeOf(dependency: Dependency): Edge {
  const edge = typeof dependency === 'string' ? { on: dependency } : dependency;
  return { whenLost: 'keep', condition: 'ready', ...edge };
}

/** The name of the component that is depended on. */
export function dependencyName(dependency: Dependency): string {
  return typeof dependency === 'string' ? dependency : dependency.on;
}

/** A program and its arguments, executed without a shell. */
export interface Command {
  /** Absolute path, or a name looked up in PATH. */
  readonly file: string;
  readonly args: readonly string[];
  /** Added to the supervisor's own environment. */
  readonly env?: Readonly<Record<string, string>>;
  /** `false`: `env` is the whole environment. Default: true. */
  readonly inheritEnv?: boolean;
  /** Default: the supervisor's. */
  readonly umask?: number;
  readonly cwd?: string;
  /** Numeric user and group to run as. Default: those of the supervisor. */
  readonly uid?: number;
  readonly gid?: number;
  /** Descriptors of the supervisor that the process inherits, from 3 on. */
  readonly descriptors?: readonly number[];
}

/** When and how often a component is restarted. Times in ms. Defaults: {@link restartDefaults}; for a task, `when` is `never`. */
export interface RestartPolicy {
  /**
   * `always`; `onFailure`: not after exit code 0; `never`: the first failure is final. With the last two, a service whose
   * program exits with code 0 is done: it stays ready, as a task does.
   */
  readonly when: 'always' | 'onFailure' | 'never';
  /** After the final failure, also during the boot: stop the whole graph, or keep the other components running. */
  readonly onFailure: 'stopAll' | 'keepOthers';
  /** The first back-off. It doubles with each failure, up to `maxDelayMs`. */
  readonly delayMs: number;
  readonly maxDelayMs: number;
  /** After this long ready, and at least 1 s, the next restart is immediate and the back-off starts again at `delayMs`. */
  readonly resetAfterMs: number;
  /** More failures than this within `windowMs` are a crash loop, which is final. */
  readonly maxFailures: number;
  readonly windowMs: number;
}

export const restartDefaults: RestartPolicy = {
  when: 'always',
  onFailure: 'stopAll',
  delayMs: 500,
  maxDelayMs: 30_000,
  resetAfterMs: 30_000,
  maxFailures: 5,
  windowMs: 60_000,
};

/** How a process group is stopped: `signal`, then SIGKILL after `graceMs` ms. */
export interface StopPolicy {
  readonly signal: NodeJS.Signals;
  readonly graceMs: number;
}

export const stopDefaults: StopPolicy = { signal: 'SIGTERM', graceMs: 10_000 };

/** Default of `timeoutMs` of a component, in ms. */
export const startTimeoutMs = 120_000;

/** How often a probe is run, and for how long. Defaults: those of probes/until.ts and probes/watch.ts. */
export interface ProbeTiming {
  /** Pause between two attempts, in ms. */
  readonly periodMs?: number;
  /** Readiness only: the pause grows up to this, in ms. */
  readonly maxPeriodMs?: number;
  /** Time limit of one attempt, in ms. */
  readonly attemptTimeoutMs?: number;
  /** Liveness only: this many failed attempts in a row make the component unhealthy. */
  readonly failureThreshold?: number;
}

interface ComponentBase {
  /** Unique in the graph; also the name of the log file. */
  readonly name: string;
  /** The components to wait for before each start. */
  readonly needs: readonly Dependency[];
  /** Time limit from start to ready, in ms; exceeding it is a failure. Default: {@link startTimeoutMs}. Infinity: none, for a task. */
  readonly timeoutMs?: number;
  readonly restart?: Partial<RestartPolicy>;
  /** The graph is ready without it. Usually with `restart.onFailure: keepOthers`. */
  readonly optional?: boolean;
}

/** A command that is run as a supervised process. */
export interface Program {
  /** A function is called before each start, when all dependencies are met. */
  readonly command: Command | (() => Promise<Command>);
  readonly stop?: Partial<StopPolicy>;
  /** Absolute path of the log file. Default: in the log folder, which otherwise gets a symlink to it. */
  readonly logFile?: string;
}

/** Rejects with the reason if it fails. `report` publishes what it is waiting for at the moment. */
type TaskFunction = (signal: AbortSignal, report: (reason: string) => void) => Promise<void>;

/** Work that is done once: create certificates, register the node, apply an add-on. */
export interface Task extends ComponentBase {
  readonly kind: 'task';
  /** The task is done, and stays ready, when the function resolves or the program exits with code 0. */
  readonly run: TaskFunction | Program;
  /**
   * Watches what a function has achieved. When it fails, the task is not ready, and the function is called until it resolves
   * again, without a time limit: that is no failure, and no restart.
   */
  readonly live?: Probe;
  readonly liveTiming?: ProbeTiming;
}

/** What a program's own words say of its failure. */
export interface Diagnosis {
  /** No restart fixes it, such as a damaged file: if the next run fails like this, too, that is final. */
  readonly isPermanent: boolean;
  /** What is at fault, such as `/data/db is damaged`. */
  readonly fault?: string;
  /** What to do when the failure is final. Default: look at the log. */
  readonly remedy?: string;
}

/** The process of an earlier supervisor, which was killed. */
interface Predecessor {
  readonly pid: number;
  /** Whether it was started with this command, for the same node. */
  runs(command: Command): boolean;
}

/** How the processes of a service are taken over by the next supervisor when this one is killed. */
export interface Adoption {
  /** The living process of an earlier supervisor, once: whoever asks takes it over, or stops it. */
  takePredecessor(): Predecessor | undefined;
  /** Called with each process as soon as it runs. */
  started(pid: number, command: Command): void;
}

/** A process that is kept running. */
export interface Service extends ComponentBase, Program {
  readonly kind: 'service';
  /** Default: a process is not taken over. */
  readonly adoption?: Adoption;
  /** Readiness: run after each start, until it passes. */
  readonly ready: Probe;
  readonly readyTiming?: ProbeTiming;
  /** Liveness: run while the service is ready. Without it, only the exit of the process is noticed. */
  readonly live?: Probe;
  readonly liveTiming?: ProbeTiming;
  /** What a failure means, by its reason and the last lines of the log, if an exit has caused it. Undefined if unknown. */
  readonly diagnose?: (reason: string, lastLines: readonly string[]) => Diagnosis | undefined;
  /** TCP ports it listens on. A port that is in use is reported before the start, instead of ending in a crash loop. */
  readonly ports?: readonly number[];
}

/** A node of the dependency graph. */
export type Component = Task | Service;

/**
 * A change in the state of a component. `at` is in ms since the epoch; `optional`: the graph is ready without it. `--output
 * json` prints one JSON line for each.
 */
export type Event = { readonly component: string; readonly at: number; readonly optional?: true } & EventBody;

/** An {@link Event} without its component, time and `optional`. */
export type EventBody =
  /** Dependencies that are not met yet. */
  | { readonly type: 'waiting'; readonly on: readonly string[] }
  /** `attempt` counts starts from 1. No `pid` for a task that is a function. `adopted`: an earlier supervisor has started it. */
  | {
      readonly type: 'starting';
      readonly attempt: number;
      readonly pid?: number;
      readonly adopted?: true;
    }
  /** Not ready yet, and why. Emitted when the reason changes. */
  | { readonly type: 'probing'; readonly reason: string }
  /** `ms`: from this start to ready. */
  | { readonly type: 'ready'; readonly ms: number }
  /** The liveness probe failed `failureThreshold` times in a row. A task is `ready` again when it passes. */
  | { readonly type: 'unhealthy'; readonly reason: string }
  /** The process exited without being stopped. `lastLines`: the end of its log, or around the cause. */
  | { readonly type: 'exited'; readonly reason: string; readonly lastLines: readonly string[] }
  /** The program of a service exited with code 0 and is not to be restarted. The service stays ready. */
  | { readonly type: 'done'; readonly reason: string }
  /** The next start follows in `ms`. */
  | { readonly type: 'backoff'; readonly ms: number; readonly reason: string }
  | { readonly type: 'stopping' }
  | { readonly type: 'stopped' }
  /** Final: the component is not restarted. With `othersKept`, the other components run on; otherwise all are stopped. */
  | { readonly type: 'failed'; readonly reason: string; readonly othersKept?: true };

/** Receives each event synchronously. Must not throw. */
export type Emit = (event: Event) => void;
