import { why } from '../terminal/frame.ts';
import type { ComponentState, PhaseName, State } from './state.ts';
import type { Style } from '../terminal/style.ts';
import { summarize } from '../terminal/summary.ts';
import type { Summary } from '../terminal/summary.ts';
import { formatBytes, formatMs, oneLine, padEnd, truncate, width } from '../../lib/text/text.ts';
import type { Usage } from './usage.ts';

/**
 * What `status --output json` prints. Within a version fields may be added; none is removed or changes its meaning.
 * Times are ISO 8601 in UTC.
 */
export interface NodeStatus {
  readonly version: 1;
  readonly name: string;
  /** When this was true. */
  readonly at: string;
  /** Everything is ready. */
  readonly ready: boolean;
  readonly state: Summary['is'];
  readonly components: readonly ComponentStatus[];
}

interface ComponentStatus {
  readonly name: string;
  readonly state: PhaseName;
  readonly since: string;
  readonly restarts: number;
  /** Why it is not ready; null when it is. */
  readonly reason: string | null;
  /** The rest is null for what is not running, or has no process. */
  readonly pid: number | null;
  /** From its last start to ready. */
  readonly timeToReadyMs: number | null;
  readonly memoryBytes: number | null;
  readonly cpuMs: number | null;
  readonly cpuPercent: number | null;
}

/** `usage` by pid; `now` in ms since the epoch. */
export function statusOf(
  name: string,
  state: State,
  usage: ReadonlyMap<number, Usage>,
  now: number,
): NodeStatus {
  const summary = summarize(state);
  const components = [...state.values()].map((component) => componentStatus(component, usage, now));
  return { version: 1, name, at: iso(now), ready: summary.is === 'ready', state: summary.is, components };
}

function componentStatus(
  component: ComponentState,
  usage: ReadonlyMap<number, Usage>,
  now: number,
): ComponentStatus {
  const { name, is, since, restarts, pid = null, readyMs = null } = component;
  const used = pid === null ? undefined : usage.get(pid);
  return {
    name,
    state: is,
    since: iso(since),
    restarts,
    reason: is === 'ready' ? null : reasonFor(component, now),
    pid,
    timeToReadyMs: readyMs === null ? null : Math.round(readyMs),
    memoryBytes: used?.memoryBytes ?? null,
    cpuMs: used?.cpuMs ?? null,
    cpuPercent: used?.cpuPercent ?? null,
  };
}

function reasonFor(component: ComponentState, now: number): string | null {
  if (component.is === 'waiting') return why(component, now) === '' ? null : `waiting ${why(component, now)}`;
  return component.reason ?? null;
}

function iso(at: number): string {
  return new Date(at).toISOString();
}

/** A line for each component that is not ready, for people: `kubelet starting: connection refused`. */
export function notReadyLines(state: State, now: number): string[] {
  return [...state.values()]
    .filter(({ is }) => is !== 'ready')
    .map((component) =>
      [`${component.name} ${component.is}`, why(component, now)].filter(Boolean).join(': '),
    );
}

const headings = ['COMPONENT', 'STATE', 'SINCE', 'RESTARTS', 'PID', 'MEMORY', 'CPU'] as const;
const colours: Record<PhaseName, Parameters<Style>[0] | undefined> = {
  waiting: 'dim',
  starting: 'cyan',
  ready: 'green',
  down: 'yellow',
  stopping: 'yellow',
  stopped: 'dim',
  failed: 'red',
};

/** The status as a table, one line per component, none wider than the terminal. */
export function statusTable(status: NodeStatus, columns: number, style: Style): string[] {
  const now = Date.parse(status.at);
  const rows = status.components.map((component) => [
    component.name,
    component.state,
    formatMs(now - Date.parse(component.since)),
    String(component.restarts),
    String(component.pid ?? '-'),
    component.memoryBytes === null ? '-' : formatBytes(component.memoryBytes),
    component.cpuPercent === null ? '-' : `${component.cpuPercent.toFixed(1)} %`,
  ]);
  const widths = headings.map((heading, i) =>
    Math.max(heading.length, ...rows.map((row) => width(row[i] ?? ''))),
  );
  const aligned = (cells: readonly string[]): string[] =>
    cells.map((cell, i) => (i < 2 ? padEnd(cell, widths[i] ?? 0) : cell.padStart(widths[i] ?? 0)));
  const left = columns - widths.reduce((sum, each) => sum + each + 2, 0);
  return [
    style('dim', truncate(aligned(headings).join('  '), columns)),
    ...status.components.map((component, i) => {
      const cells = aligned(rows[i] ?? []);
      if (left < 0) return truncate(cells.join('  '), columns);
      const colour = colours[component.state];
      if (colour !== undefined) cells[1] = style(colour, cells[1] ?? '');
      const reason = truncate(oneLine(component.reason ?? ''), left);
      return reason === '' ? cells.join('  ') : `${cells.join('  ')}  ${style('dim', reason)}`;
    }),
  ];
}
