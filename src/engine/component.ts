import type { Probe } from '../../probes/probe.ts';

/**
 * What a component does when one it needs is lost: `keep` running; go down at once and `restart` as soon as the need is
 * ready again; or `stop` until somebody starts it.
 */
export type WhenLost = 'keep' | 'restart' | 'stop';

/** What is waited for: that the other one runs, or that it is ready (`service_started` and `service_healthy` in Compose). */
export type Condition = 'started' | 'ready';

/** An edge of the graph. A bare name is one that waits for `ready`, and `keep` is what is done when that is lost. */
export type Dependency =
  | string
  | { readonly on: string; readonly whenLost?: WhenLost; readonly condition?: Condition };

/** An edge with all that is to be known of it. */
export interface Edge {
  readonly on: string;
  readonly whenLost: WhenLost;
  readonly condition: Condition;
}

export function edgeOf(need: Dependency): Edge {
  const edge = typeof need === 'string' ? { on: need } : need;
  return { whenLost: 'keep', condition: 'ready', ...edge };
}

/** The name at the far end of an edge. */
export function dependencyName(need: Dependency): string {
  return typeof need === 'string' ? need : need.on;
}

/** A process to start, never through a shell. */
export interface Command {
  /** Absolute path, or a name looked up in PATH. */
  readonly file: string;
  readonly args: readonly string[];
  /** Added to the supervisor's own environment. */
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
  /** Run as this user and group, by number; by default as the supervisor's own. */
  readonly uid?: number;
  readonly gid?: number;
}

/** How a component is restarted. Times in ms. The defaults are {@link restartDefaults}; a task is not restarted. */
export interface RestartPolicy {
  /** `never`: the first failure gives the component up. */
  readonly when: 'always' | 'never';
  /** What giving it up means: the whole graph goes `down`, or the rest is kept. */
  readonly onFailure: 'stopAll' | 'keepOthers';
  /** The first back-off; it doubles with each failure up to `maxDelayMs`. */
  readonly delayMs: number;
  readonly maxDelayMs: number;
  /** Ready for this long: the next restart is immediate and the back-off starts anew. */
  readonly resetAfterMs: number;
  /** More than `budget` charged failures within `budgetWindowMs` is a crash loop. */
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

/** How a service is stopped: the signal to its process group, then SIGKILL after the grace. */
export interface StopPolicy {
  readonly signal: NodeJS.Signals;
  readonly graceMs: number;
}

export const stopDefaults: StopPolicy = { signal: 'SIGTERM', graceMs: 10_000 };

export const startTimeoutMs = 120_000;

/** How often and how long a probe looks; what is left out is as {@link file://../probes/until.ts} and watch.ts have it. */
export interface ProbeTiming {
  /** The pause between looks, in ms. */
  readonly periodMs?: number;
  /** Until ready: the longest pause, to which it grows, in ms. */
  readonly maxPeriodMs?: number;
  /** The time limit of one look, in ms. */
  readonly attemptTimeoutMs?: number;
  /** Of a liveness probe: so many in a row are one too many. */
  readonly failureThreshold?: number;
}

interface ComponentBase {
  /** Unique in the graph; also the name of its log file. */
  readonly name: string;
  readonly needs: readonly Dependency[];
  /** From start to ready, in ms; longer is a failure. Default {@link startTimeoutMs}. */
  readonly timeoutMs?: number;
  readonly restart?: Partial<RestartPolicy>;
}

/** What is started, and how it is ended. */
export interface Program {
  /** Asked for before each start, when all needs are ready. */
  readonly command: Command | (() => Promise<Command>);
  readonly stop?: Partial<StopPolicy>;
  /** Where its output goes instead of into the log folder: an absolute path. The log folder has a link to it then. */
  readonly logFile?: string;
}

/** `report` says what it is waiting for right now. Rejects with the reason when it cannot be done. */
type TaskFunction = (signal: AbortSignal, report: (reason: string) => void) => Promise<void>;

/** What is done once: certificates, a node registered, an addon applied. */
export interface Task extends ComponentBase {
  readonly kind: 'task';
  /** Done, and so ready, when the work resolves, or when the program exits with 0. */
  readonly run: TaskFunction | Program;
}

/** A process that is kept running. */
export interface Service extends ComponentBase, Program {
  readonly kind: 'service';
  readonly ready: Probe;
  readonly readyTiming?: ProbeTiming;
  /** Looked at while ready; without it only the process's exit counts. */
  readonly live?: Probe;
  readonly liveTiming?: ProbeTiming;
  /** TCP ports on which it will listen: a port already taken is a clear refusal, not a crash loop. */
  readonly ports?: readonly number[];
}

export type Component = Task | Service;

/** What happened to a component, with `at` in ms since the epoch. One JSON line each with `--output json`. */
export type Event = { readonly component: string; readonly at: number } & EventBody;

export type EventBody =
  | { readonly type: 'waiting'; readonly on: readonly string[] }
  | { readonly type: 'starting'; readonly attempt: number; readonly pid?: number }
  /** Not ready yet, and why; sent when the reason changes. */
  | { readonly type: 'probing'; readonly reason: string }
  /** `ms`: from this start to ready. */
  | { readonly type: 'ready'; readonly ms: number }
  | { readonly type: 'unhealthy'; readonly reason: string }
  | { readonly type: 'exited'; readonly reason: string; readonly lastLines: readonly string[] }
  /** The next start comes in `ms`. */
  | { readonly type: 'backoff'; readonly ms: number; readonly reason: string }
  | { readonly type: 'stopping' }
  | { readonly type: 'stopped' }
  /** Given up: it will not be started again. */
  | { readonly type: 'failed'; readonly reason: string };

/** Takes each event as it happens. Must not throw. */
export type Emit = (event: Event) => void;
