import { edgeOf } from '../../engine/component.ts';
import type { Event, Dependency } from '../../engine/component.ts';
import { LiveState } from '../state/state.ts';
import type { ComponentState, Phase, Stage } from '../state/state.ts';

/** A component was in one phase from `from` to `to`, in ms since the boot began. */
export interface Span {
  readonly component: string;
  readonly phase: Phase;
  readonly from: number;
  readonly to: number;
}

/** A boot prepared for drawing. */
export interface Timeline {
  readonly components: readonly string[];
  readonly spans: readonly Span[];
  /** From the first event until everything is ready, or to the last event so far. In ms. */
  readonly ms: number;
  readonly ready: boolean;
  readonly criticalPath: readonly Step[];
}

/** One stage of the critical path, and the time that it added to the boot, in ms. */
export interface Step {
  readonly component: string;
  readonly ms: number;
}

/** The events until everything was ready for the first time, or all of them. */
function bootEvents(names: readonly string[], events: readonly Event[]): readonly Event[] {
  const notReady = new Set(names);
  for (const [index, event] of events.entries()) {
    if (event.type === 'ready' || event.optional === true) notReady.delete(event.component);
    else if (event.type === 'unhealthy' || event.type === 'exited') notReady.add(event.component);
    if (notReady.size === 0) return events.slice(0, index + 1);
  }
  return events;
}

/** The boot in the history, with components in the order of `stages`. */
export function timelineOf(stages: readonly Stage[], history: readonly Event[]): Timeline {
  const components = stages.map(({ name }) => name);
  const events = bootEvents(components, history);
  const begin = events[0]?.at ?? 0;
  const ms = (events.at(-1)?.at ?? begin) - begin;
  const state = new LiveState(components, begin);
  const spans: Span[] = [];
  const close = ({ name, phase, since }: ComponentState, at: number): void => {
    // The failure may lie in the last millisecond, and it matters most.
    if (at > since || phase === 'failed')
      spans.push({ component: name, phase, from: since - begin, to: at - begin });
  };
  for (const event of events) {
    const before = state.add(event);
    const after = state.components.get(event.component);
    if (before.phase !== after?.phase || before.since !== after.since) close(before, event.at);
  }
  for (const component of state.components.values()) close(component, begin + ms);
  return { components, spans, ms, ready: state.isReady, criticalPath: criticalPath(stages, events) };
}

/**
 * The chain that determined the duration of the boot, from its first stage to the last: starting from the last to be ready,
 * always back to the dependency met last. The times add up to that of the boot. Empty until something is ready.
 */
export function criticalPath(stages: readonly Stage[], events: readonly Event[]): Step[] {
  const begin = events[0]?.at ?? 0;
  const timesOf = (type: Event['type']): Map<string, number> =>
    new Map(events.filter((event) => event.type === type).map(({ component, at }) => [component, at]));
  const times = { started: timesOf('starting'), ready: timesOf('ready') };
  const lastOf = (needs: readonly Dependency[]): { readonly on: string; readonly at: number } | undefined =>
    needs
      .map(edgeOf)
      .flatMap(({ on, condition }) => {
        const at = times[condition].get(on);
        return at === undefined ? [] : [{ on, at }];
      })
      .toReversed()
      .sort((one, other) => other.at - one.at)[0];
  const needs = new Map(stages.map((stage) => [stage.name, stage.needs]));
  const path: Step[] = [];
  let last = lastOf([...needs.keys()]);
  while (last !== undefined) {
    const earlier = lastOf(needs.get(last.on) ?? []);
    path.unshift({ component: last.on, ms: Math.max(0, last.at - (earlier?.at ?? begin)) });
    last = earlier;
  }
  return path;
}

const order: readonly Phase[] = ['waiting', 'starting', 'ready', 'down', 'stopping', 'failed'];

/** The phases that occur, in the order of a component's life. `stopped` is not drawn. */
export function drawnPhases({ spans }: Timeline): Phase[] {
  return order.filter((phase) => spans.some((span) => span.phase === phase));
}

/** The critical path on one line, without stages that added less than 50 ms. Times in seconds. */
export function criticalPathText(path: readonly Step[]): string {
  return path
    .filter(({ ms }) => ms >= 50)
    .map(({ component, ms }) => `${component} ${(ms / 1000).toFixed(1)}`)
    .join(' → ');
}
