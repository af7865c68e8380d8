import { edgeOf } from '../../engine/component.ts';
import type { Event, Dependency } from '../../engine/component.ts';
import type { Stage } from '../state/stage.ts';
import { LiveState } from '../state/state.ts';
import type { ComponentState, PhaseName } from '../state/state.ts';

/** A component was in one phase from `from` to `to`, in ms since the boot began. */
export interface Span {
  readonly component: string;
  readonly is: PhaseName;
  readonly from: number;
  readonly to: number;
}

/** The boot as it happened, ready to be drawn. */
export interface Timeline {
  readonly components: readonly string[];
  readonly spans: readonly Span[];
  /** From the first event to everything ready; to the last event while it is not. In ms. */
  readonly ms: number;
  readonly ready: boolean;
  readonly criticalPath: readonly Step[];
}

/** One stage of the critical path and the time it added to the boot, in ms. */
export interface Step {
  readonly component: string;
  readonly ms: number;
}

/** The events of the boot: up to the moment when everything was ready for the first time, all of them before that. */
function boot(names: readonly string[], events: readonly Event[]): readonly Event[] {
  const left = new Set(names);
  for (const [index, event] of events.entries()) {
    if (event.type === 'ready') left.delete(event.component);
    else if (event.type === 'unhealthy' || event.type === 'exited') left.add(event.component);
    if (left.size === 0) return events.slice(0, index + 1);
  }
  return events;
}

/** The boot's spans, in the order of `stages`. */
export function timelineOf(stages: readonly Stage[], history: readonly Event[]): Timeline {
  const components = stages.map(({ name }) => name);
  const events = boot(components, history);
  const begin = events[0]?.at ?? 0;
  const ms = (events.at(-1)?.at ?? begin) - begin;
  const state = new LiveState(components, begin);
  const spans: Span[] = [];
  const close = ({ name, is, since }: ComponentState, at: number): void => {
    // What failed last may have failed in the last millisecond, and is what one looks for.
    if (at > since || is === 'failed')
      spans.push({ component: name, is, from: since - begin, to: at - begin });
  };
  for (const event of events) {
    const before = state.add(event);
    const after = state.components.get(event.component);
    if (before.is !== after?.is || before.since !== after.since) close(before, event.at);
  }
  for (const component of state.components.values()) close(component, begin + ms);
  return { components, spans, ms, ready: state.isReady, criticalPath: criticalPath(stages, events) };
}

/**
 * The chain that decided how long the boot took, from the first stage to the last: back from what was ready last, always
 * to the need that let it start last. The times add up to the boot's. Empty until something is ready.
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

const order: readonly PhaseName[] = ['waiting', 'starting', 'ready', 'down', 'stopping', 'failed'];

/** The phases there is something to draw for, in the order of a life. */
export function drawnPhases({ spans }: Timeline): PhaseName[] {
  return order.filter((phase) => spans.some(({ is }) => is === phase));
}

/** The critical path on one line, without what added less than 50 ms. Times in seconds. */
export function criticalPathText(path: readonly Step[]): string {
  return path
    .filter(({ ms }) => ms >= 50)
    .map(({ component, ms }) => `${component} ${(ms / 1000).toFixed(1)}`)
    .join(' → ');
}
