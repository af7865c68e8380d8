import type { Event } from '../../engine/component.ts';
import { causeLine } from '../../engine/supervise/causeLine.ts';
import { formatMs, oneLine } from '../../lib/text/text.ts';
import { summarize } from './state.ts';
import type { ComponentState, State, Summary } from './state.ts';

/** How important an event is to people. */
type Level = 'info' | 'warn' | 'error';

/** Text on one line. */
export interface Description {
  readonly level: Level;
  readonly text: string;
}

/** The event in words, or undefined when it is not worth a line. `before`: the component's state before it. */
export function describeEvent(event: Event, before: ComponentState | undefined): Description | undefined {
  switch (event.type) {
    case 'waiting':
      return before?.phase === 'down' ? info(`waiting for ${event.on.join(', ')}`) : undefined;
    case 'starting':
      if (event.adopted === true) return info(`taking over pid ${event.pid}`);
      return info(event.attempt > 1 ? `restarting (attempt ${event.attempt})` : 'starting');
    case 'probing':
      return undefined;
    case 'ready':
      return info(`ready in ${formatMs(event.ms)}`);
    case 'unhealthy':
      return warn(`unhealthy: ${oneLine(event.reason)}`);
    case 'exited':
      return before?.phase === 'stopping'
        ? undefined
        : warn([event.reason, causeLine(event.lastLines) ?? []].flat().map(oneLine).join(': '));
    case 'done':
      return info(`done: ${oneLine(event.reason)}`);
    case 'backoff': {
      // After an exit, or when it was unhealthy, the line before has said why.
      const reason = before?.phase === 'starting' ? `: ${oneLine(event.reason)}` : '';
      return warn(`restarting in ${formatMs(event.ms)}${reason}`);
    }
    case 'stopping':
      return info('stopping');
    case 'stopped':
      return info('stopped');
    case 'failed':
      return { level: 'error', text: `given up: ${oneLine(event.reason)}` };
  }
}

function info(text: string): Description {
  return { level: 'info', text };
}

function warn(text: string): Description {
  return { level: 'warn', text };
}

/** The phase in words that hold until the next event: `ready in 0.4 s`, `starting`. */
export function describePhase(component: ComponentState): string {
  return component.phase === 'ready' ? `ready in ${formatMs(component.ms)}` : component.phase;
}

/** Why a component is not ready, or how often it was restarted; may be empty. `now` in ms since the epoch. */
export function describeReason(component: ComponentState, now: number): string {
  const { phase, reason, restarts } = component;
  const restarted = restarts > 0 ? `${restarts} restart${restarts === 1 ? '' : 's'}` : '';
  switch (phase) {
    case 'waiting':
      return component.on.length > 0 ? `for ${component.on.join(', ')}` : '';
    case 'ready':
      return restarted;
    case 'down': {
      const { nextAt } = component;
      const next = nextAt === undefined ? '' : `restart in ${formatMs(Math.max(0, nextAt - now))}`;
      return [reason, next].filter(Boolean).join(', ');
    }
    case 'starting':
    case 'stopping':
    case 'stopped':
    case 'failed':
      return [restarted, reason].filter(Boolean).join(', ');
  }
}

/** The node's phase on one line, without a full stop. */
export function describeSummary(summary: Summary): string {
  switch (summary.phase) {
    case 'ready':
      return 'ready';
    case 'starting':
      return summary.blocking.length === 0 ? 'starting' : `waiting for ${summary.blocking.join(', ')}`;
    case 'failed':
      return `failed: ${summary.failed.join(', ')}`;
    case 'stopping':
      return `stopping ${summary.remaining.join(', ')}`;
    case 'stopped':
      return 'stopped';
  }
}

/** {@link describeSummary} with the reason of each component: `waiting for kubelet (connection refused)`. */
export function describeNode(state: State, now: number): string {
  const withReasons = (names: readonly string[]): string[] =>
    names.map((name) => {
      const component = state.get(name);
      const reason = component === undefined ? '' : oneLine(describeReason(component, now));
      return reason === '' ? name : `${name} (${reason})`;
    });
  const summary = summarize(state);
  switch (summary.phase) {
    case 'starting':
      return describeSummary({ ...summary, blocking: withReasons(summary.blocking) });
    case 'failed':
      return describeSummary({ ...summary, failed: withReasons(summary.failed) });
    case 'ready':
    case 'stopping':
    case 'stopped':
      return describeSummary(summary);
  }
}
