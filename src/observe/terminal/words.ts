import type { Event } from '../../engine/component.ts';
import type { ComponentState } from '../state/state.ts';
import { formatMs, oneLine } from '../../lib/text/text.ts';

/** How much an event matters to the person who reads along. */
type Level = 'info' | 'warn' | 'error';

/** An event in words, or undefined when it is not worth a line. `before` is the component's state until then. */
export function describeEvent(
  event: Event,
  before: ComponentState | undefined,
): { level: Level; text: string } | undefined {
  switch (event.type) {
    case 'waiting':
      return before?.is === 'down' ? info(`waiting for ${event.on.join(', ')}`) : undefined;
    case 'starting':
      return info(event.attempt > 1 ? `starting again (attempt ${event.attempt})` : 'starting');
    case 'probing':
      return undefined;
    case 'ready':
      return info(`ready in ${formatMs(event.ms)}`);
    case 'unhealthy':
      return warn(`unhealthy: ${oneLine(event.reason)}`);
    case 'exited':
      return before?.is === 'stopping'
        ? undefined
        : warn([event.reason, ...event.lastLines.slice(-1)].map(oneLine).join(': '));
    case 'backoff':
      return warn(`starting again in ${formatMs(event.ms)}`);
    case 'stopping':
      return info('stopping');
    case 'stopped':
      return info('stopped');
    case 'failed':
      return { level: 'error', text: `given up: ${oneLine(event.reason)}` };
  }
}

function info(text: string): { level: Level; text: string } {
  return { level: 'info', text };
}

function warn(text: string): { level: Level; text: string } {
  return { level: 'warn', text };
}
