import { unix } from '../../probes/kinds/unix.ts';
import { until } from '../../probes/until.ts';
import type { Event } from '../engine/component.ts';
import { client } from '../control/client.ts';

/** Calls `onEvent` for each event of a node that is about to start, until the signal aborts. Rejects only when it throws. */
export async function forwardEvents(
  controlSocket: string,
  onEvent: ((event: Event) => void) | undefined,
  signal: AbortSignal,
): Promise<void> {
  if (onEvent === undefined) return;
  try {
    await until(unix(controlSocket), { timeoutMs: Number.POSITIVE_INFINITY }, signal);
  } catch (error) {
    if (signal.aborted) return;
    throw error;
  }
  for await (const event of untilDisconnected(client(controlSocket).events(signal))) onEvent(event);
}

/** How the node's process ends says more than that it has stopped talking. */
async function* untilDisconnected(events: AsyncGenerator<Event>): AsyncGenerator<Event> {
  try {
    yield* events;
  } catch {}
}
