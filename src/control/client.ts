import type { Event } from '../engine/component.ts';
import type { LogLine, LogQuery } from './node.ts';
import { lines, send, text } from './request.ts';

/** Talks to a running node. Everything rejects with a `Failure`: `notReady` when no node is running. */
export interface Client<Status> {
  status(signal?: AbortSignal): Promise<Status>;
  /** Empty when the whole node is ready, otherwise a line for each component that is not. */
  notReady(signal?: AbortSignal): Promise<string[]>;
  /** All events so far and all to come, until the node ends or the signal aborts. */
  events(signal?: AbortSignal): AsyncGenerator<Event, void>;
  /** All events so far. */
  history(): Promise<readonly Event[]>;
  logs(query: LogQuery, signal?: AbortSignal): AsyncGenerator<LogLine, void>;
  metrics(): Promise<string>;
  restart(component: string, options?: { readonly cascade?: boolean }, signal?: AbortSignal): Promise<void>;
  stop(component: string, signal?: AbortSignal): Promise<void>;
  start(component: string, signal?: AbortSignal): Promise<void>;
  /** Asks the node to go down and resolves when its control socket is closed, the last thing it does. */
  down(signal?: AbortSignal): Promise<void>;
}

/**
 * The client of the control socket. Built on node:http alone, which is loaded in 5 ms where got takes 100: a health check
 * is a whole process each time. `Status` is what the node's own `status` gives.
 */
export function client<Status>(socketPath: string): Client<Status> {
  const get = async (path: string, signal?: AbortSignal): Promise<string> =>
    text(await send(socketPath, 'GET', path, signal));
  const post = async (path: string, signal?: AbortSignal): Promise<void> =>
    void (await text(await send(socketPath, 'POST', path, signal)));
  const action = (order: string, component: string, signal?: AbortSignal, query = ''): Promise<void> =>
    post(`/v1/${order}/${encodeURIComponent(component)}${query}`, signal);
  async function* events(signal?: AbortSignal): AsyncGenerator<Event, void> {
    for await (const line of lines(await send(socketPath, 'GET', '/v1/events', signal), signal)) {
      if (!line.startsWith('data: ')) continue;
      const event: Event = JSON.parse(line.slice('data: '.length));
      yield event;
    }
  }
  return {
    async status(signal) {
      const status: Status = JSON.parse(await get('/v1/status', signal));
      return status;
    },
    async notReady(signal) {
      const response = await send(socketPath, 'GET', '/readyz', signal, [503]);
      const body = await text(response);
      return response.statusCode === 503 ? body.trimEnd().split('\n') : [];
    },
    events,
    async history() {
      const all: Event[] = JSON.parse(await get('/v1/events?past'));
      return all;
    },
    async *logs(query, signal) {
      for await (const line of lines(
        await send(socketPath, 'GET', `/v1/logs?${logSearch(query)}`, signal),
        signal,
      )) {
        const logLine: LogLine = JSON.parse(line);
        yield logLine;
      }
    },
    metrics: () => get('/metrics'),
    restart: (component, { cascade = false } = {}, signal) =>
      action('restart', component, signal, cascade ? '?cascade' : ''),
    stop: (component, signal) => action('stop', component, signal),
    start: (component, signal) => action('start', component, signal),
    async down(signal) {
      const untilTheEnd = await send(socketPath, 'GET', '/v1/events', signal);
      await post('/v1/down');
      await text(untilTheEnd);
    },
  };
}

function logSearch({ components, follow, tail, since }: LogQuery): string {
  const search = new URLSearchParams();
  for (const component of components) search.append('component', component);
  if (follow) search.set('follow', '1');
  if (tail !== undefined) search.set('tail', String(tail));
  if (since !== undefined) search.set('since', String(since));
  return search.toString();
}
