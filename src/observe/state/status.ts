import { describeReason } from './describe.ts';
import { isBlocking, summarize } from './state.ts';
import type { ComponentState, Phase, State, Summary } from './state.ts';
import type { Usage } from './usage.ts';

/**
 * The output of `status --output json`. Within a version fields may be added; none is removed or changes its meaning.
 * Times are ISO 8601 in UTC.
 */
export interface NodeStatus {
  readonly version: 1;
  readonly name: string;
  /** When the status was taken. */
  readonly at: string;
  /** Whether all components are ready, except optional ones. */
  readonly ready: boolean;
  readonly state: Summary['phase'];
  /** The systemd unit that runs the node. Missing: none does. */
  readonly unit?: string;
  /** Present if the cluster may have other nodes; then `status` lists them, as `nodes`. */
  readonly multiNode?: true;
  readonly components: readonly ComponentStatus[];
  /** What is wrong although the node may be ready, such as a disk that is nearly full or an image that no pod gets. Missing: nothing. */
  readonly notes?: readonly string[];
  /** The published ports, such as `127.0.0.1:8080 -> 80/tcp`. Missing: none. */
  readonly ports?: readonly string[];
}

interface ComponentStatus {
  readonly name: string;
  readonly state: Phase;
  /** Present if the node is ready without it. */
  readonly optional?: true;
  readonly since: string;
  readonly restarts: number;
  /** Why it is not ready; null when it is. */
  readonly reason: string | null;
  /** This and the fields below are null without a running process. */
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
  const { phase } = summarize(state);
  const components = [...state.values()].map((component) => componentStatus(component, usage, now));
  return { version: 1, name, at: iso(now), ready: phase === 'ready', state: phase, components };
}

function componentStatus(
  component: ComponentState,
  usage: ReadonlyMap<number, Usage>,
  now: number,
): ComponentStatus {
  const { name, optional, phase, since, restarts, pid = null, readyMs = null } = component;
  const used = pid === null ? undefined : usage.get(pid);
  return {
    name,
    state: phase,
    ...(optional && { optional }),
    since: iso(since),
    restarts,
    reason: phase === 'ready' ? null : reasonFor(component, now),
    pid,
    timeToReadyMs: readyMs === null ? null : Math.round(readyMs),
    memoryBytes: used?.memoryBytes ?? null,
    cpuMs: used?.cpuMs ?? null,
    cpuPercent: used?.cpuPercent ?? null,
  };
}

function reasonFor(component: ComponentState, now: number): string | null {
  if (component.phase !== 'waiting') return component.reason ?? null;
  return component.on.length > 0 ? `waiting ${describeReason(component, now)}` : null;
}

function iso(at: number): string {
  return new Date(at).toISOString();
}

/** One line for people per component that the node waits for: `kubelet starting: connection refused`. */
export function notReadyLines(state: State, now: number): string[] {
  return [...state.values()].filter(isBlocking).map((component) => {
    const { name, phase } = component;
    const reason = describeReason(component, now);
    if (reason === '') return `${name} ${phase}`;
    return `${name} ${phase}${phase === 'waiting' ? '' : ':'} ${reason}`;
  });
}
