import { shellCommand } from '../../lib/commandLine.ts';
import type { Command, Event } from '../../engine/component.ts';
import { sortByDependencies, transitiveDependents } from '../../engine/graph.ts';
import { formatMs, oneLine } from '../../lib/text/text.ts';
import type { Style } from '../terminal/style.ts';
import { replay, summarize } from './state.ts';
import type { ComponentState, Phase, Stage } from './state.ts';

/**
 * Why the node is not up: the content of `failure.json`. Within a version fields may be added; none is removed or changes
 * its meaning. Times are ISO 8601 in UTC.
 */
export interface FailureReport {
  readonly version: 1;
  readonly at: string;
  /** The stages that block the others: failed, or not ready although their dependencies are. Failed ones come first. */
  readonly stages: readonly FailedStage[];
}

export interface FailedStage {
  readonly component: string;
  readonly state: Phase;
  /** How long it has been in that state. */
  readonly forMs: number;
  readonly restarts: number;
  readonly reason: string | null;
  /** The last failure of its ready or live probe. */
  readonly lastProbe: string | null;
  /** How its last process ended: exit code or signal, in words. */
  readonly exit: string | null;
  /** The last lines of its log, or those around the line that names the cause: at most 20. */
  readonly lastLines: readonly string[];
  /** For a shell. */
  readonly command: string | null;
  /** The components that could not start because of it. */
  readonly waiting: readonly string[];
}

/** The number of log lines that a report quotes. */
export const quotedLines = 20;

/** What a report is made from. */
export interface Evidence {
  readonly stages: readonly Stage[];
  /** All events of the run. Those of the teardown after the failure are ignored. */
  readonly events: readonly Event[];
  /** The command of each process that was started. */
  readonly commands: ReadonlyMap<string, Command>;
  /** The last lines of a component's log, for a process that hangs: its events quote none. */
  readonly lastLines: (component: string) => readonly string[];
}

/** Returns undefined when nothing blocks. */
export function failureReport({ stages, events, commands, lastLines }: Evidence): FailureReport | undefined {
  const names = stages.map(({ name }) => name);
  const relevant = untilTeardown(events);
  const state = replay(names, relevant);
  const summary = summarize(state);
  // A process that hangs is silent: it hung until it was stopped, not until its last event.
  const stopped = summary.phase === 'starting' ? events[relevant.length] : undefined;
  const at = (stopped ?? relevant.at(-1))?.at ?? 0;
  const blocking =
    summary.phase === 'failed' ? summary.failed : summary.phase === 'starting' ? summary.blocking : [];
  if (blocking.length === 0) return undefined;
  const order = sortByDependencies(stages);
  const describe = (component: ComponentState): FailedStage => {
    const { name, phase, since, restarts, reason, lastProbe, exit } = component;
    const command = commands.get(name);
    const lines = phase === 'starting' || exit === undefined ? lastLines(name) : exit.lastLines;
    return {
      component: name,
      state: phase,
      forMs: at - since,
      restarts,
      reason: reason ?? null,
      lastProbe: lastProbe ?? null,
      exit: exit?.reason ?? null,
      lastLines: lines.slice(-quotedLines),
      command: command === undefined ? null : shellCommand(command),
      waiting: transitiveDependents(order, name),
    };
  };
  return {
    version: 1,
    at: new Date(at).toISOString(),
    stages: blocking.map((name) => describe(state.get(name)!)),
  };
}

/** The events up to the first failure, or up to the first stop that no start follows. */
function untilTeardown(events: readonly Event[]): readonly Event[] {
  const failed = events.findIndex(({ type }) => type === 'failed');
  if (failed >= 0) return events.slice(0, failed + 1);
  const lastActive = events.findLastIndex(({ type }) => type === 'starting' || type === 'ready');
  const stop = events.findIndex(
    ({ type }, i) => i > lastActive && (type === 'stopping' || type === 'stopped'),
  );
  return stop < 0 ? events : events.slice(0, stop);
}

/** The report for people: for each stage the reason, its dependents, its last log lines, and the command to run by hand. */
export function failureText({ stages }: FailureReport, style: Style): string {
  return stages.map((stage) => stageText(stage, style)).join('\n\n');
}

function stageText(stage: FailedStage, style: Style): string {
  const { component, state, forMs, restarts, reason, lastProbe, exit, lastLines, command, waiting } = stage;
  const what = state === 'failed' ? 'was given up' : `has been ${state} for ${formatMs(forMs)}`;
  const facts: [string, string | null][] = [
    ['reason', reason],
    ['probe', lastProbe === reason ? null : lastProbe],
    ['exit', exit === null || reason?.startsWith(exit) ? null : exit],
    ['restarts', restarts > 0 ? String(restarts) : null],
    ['waiting', waiting.length > 0 ? waiting.join(', ') : null],
  ];
  const known = facts.flatMap(([label, text]) =>
    text === null ? [] : [`  ${style('dim', label.padEnd(8))}  ${oneLine(text)}`],
  );
  const quoted = lastLines.map((line) => `    ${oneLine(line)}`);
  return [
    `${style('red', '✗')} ${style('bold', component)} ${what}`,
    ...known,
    ...(quoted.length > 0 ? ['', `  ${style('dim', 'last log lines')}`, ...quoted] : []),
    ...(command === null ? [] : ['', `  ${style('dim', 'command to run by hand')}`, `    ${command}`]),
  ].join('\n');
}
