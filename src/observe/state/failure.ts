import { commandLine, shellQuote } from '../../lib/commandLine.ts';
import type { Command, Event } from '../../engine/component.ts';
import { behind } from './stage.ts';
import type { Stage } from './stage.ts';
import { replay } from './state.ts';
import type { ComponentState, PhaseName } from './state.ts';
import { summarize } from '../terminal/summary.ts';

/**
 * Why the node is not up: what `failure.json` holds. Within a version fields may be added; none is removed or changes its
 * meaning. Times are ISO 8601 in UTC.
 */
export interface FailureReport {
  readonly version: 1;
  readonly at: string;
  /** The stages that block: given up, or not ready although all they need is. What failed comes first. */
  readonly stages: readonly FailedStage[];
}

export interface FailedStage {
  readonly component: string;
  readonly state: PhaseName;
  /** How long it has been in that state. */
  readonly forMs: number;
  readonly restarts: number;
  readonly reason: string | null;
  /** What its ready or live probe said last. */
  readonly lastProbe: string | null;
  /** How its process ended last: exit code or signal, in words. */
  readonly exit: string | null;
  /** The last lines of its log, 20 at most. */
  readonly lastLines: readonly string[];
  /** To be pasted into a shell. */
  readonly command: string | null;
  /** What could not start because of it. */
  readonly waiting: readonly string[];
}

/** How many log lines a report quotes. */
export const quotedLines = 20;

export interface Evidence {
  readonly stages: readonly Stage[];
  /** All events of the run; what the teardown after the failure did to the others is left out. */
  readonly events: readonly Event[];
  /** The command each process was started with. */
  readonly commands: ReadonlyMap<string, Command>;
  /** The last lines of a component's log, for one that hangs and left none behind. */
  readonly lastLines: (component: string) => readonly string[];
}

/** Undefined when nothing blocks. */
export function failureReport({ stages, events, commands, lastLines }: Evidence): FailureReport | undefined {
  const names = stages.map(({ name }) => name);
  const upTo = untilTeardown(events);
  const state = replay(names, upTo);
  const summary = summarize(state);
  // What hangs is silent: it has hung until it was stopped, not until it was last heard of.
  const stopped = summary.is === 'starting' ? events[upTo.length] : undefined;
  const at = (stopped ?? upTo.at(-1))?.at ?? 0;
  const blocking =
    summary.is === 'failed' ? summary.failed : summary.is === 'starting' ? summary.blocking : [];
  if (blocking.length === 0) return undefined;
  const describe = (component: ComponentState): FailedStage => {
    const { name, is, since, restarts, reason, lastProbe, exit } = component;
    const command = commands.get(name);
    return {
      component: name,
      state: is,
      forMs: at - since,
      restarts,
      reason: reason ?? null,
      lastProbe: lastProbe ?? null,
      exit: exit?.reason ?? null,
      lastLines: (is === 'starting' || exit === undefined ? lastLines(name) : exit.lastLines).slice(
        -quotedLines,
      ),
      command: command === undefined ? null : shellCommand(command),
      waiting: behind(stages, name),
    };
  };
  return {
    version: 1,
    at: new Date(at).toISOString(),
    stages: blocking.map((name) => describe(state.get(name)!)),
  };
}

/** Up to the first failure, or to the first stop that nothing started again after. */
function untilTeardown(events: readonly Event[]): readonly Event[] {
  const failed = events.findIndex(({ type }) => type === 'failed');
  if (failed >= 0) return events.slice(0, failed + 1);
  const lastLife = events.findLastIndex(({ type }) => type === 'starting' || type === 'ready');
  const stop = events.findIndex(({ type }, i) => i > lastLife && (type === 'stopping' || type === 'stopped'));
  return stop < 0 ? events : events.slice(0, stop);
}

/** The command as one would type it, its environment in front. */
export function shellCommand({ file, args, env = {}, cwd }: Command): string {
  const assignments = Object.entries(env).map(([name, value]) => `${name}=${shellQuote(value)}`);
  const words = [...assignments, commandLine([file, ...args])].join(' ');
  return cwd === undefined ? words : `cd ${shellQuote(cwd)} && ${words}`;
}
