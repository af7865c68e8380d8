import { existsSync } from 'node:fs';
import { request } from 'node:http';
import type { IncomingMessage } from 'node:http';
import { basename, dirname } from 'node:path';
import { errorCode } from '../../probes/errorCode.ts';
import type { Event } from '../engine/component.ts';
import { exitCodes, Failure, reasonOf } from '../lib/errors.ts';
import { nodePaths } from '../lib/paths.ts';
import type { FailureCode } from '../lib/errors.ts';
import type { ErrorBody } from './http.ts';
import { notRunning } from './node.ts';
import type { LogLine, LogQuery } from './node.ts';

/** The API of a running node. Methods reject with a `Failure`: `notReady` if the node is not running. A bug is a plain Error. */
export interface Client<Status> {
  status(signal?: AbortSignal): Promise<Status>;
  /** One line for each component that is not ready; empty if the node is. */
  notReady(signal?: AbortSignal): Promise<string[]>;
  /** All past and future events, until the node is down or the signal aborts. */
  events(signal?: AbortSignal): AsyncGenerator<Event, void>;
  /** All events so far. */
  history(): Promise<readonly Event[]>;
  logs(query: LogQuery, signal?: AbortSignal): AsyncGenerator<LogLine, void>;
  /** The lines of a snapshot, each with its end of line: see kubernetes/snapshots/format.ts. */
  snapshot(signal?: AbortSignal): AsyncGenerator<string, void>;
  restart(component: string, options?: { readonly cascade?: boolean }, signal?: AbortSignal): Promise<void>;
  stop(component: string, signal?: AbortSignal): Promise<void>;
  start(component: string, signal?: AbortSignal): Promise<void>;
  /** Stops the node. Resolves when its control socket is closed, which is the last thing it does. */
  down(signal?: AbortSignal): Promise<void>;
  /** The same for a node that then starts again in its own process. Rejects for any other. */
  restartNode(signal?: AbortSignal): Promise<void>;
}

/**
 * A client of the control socket. `Status` is the type of {@link ControlledNode.status}. Uses node:http, which loads in
 * 5 ms (got: 100 ms), because each health check is a process of its own.
 */
export function client<Status>(socketPath: string): Client<Status> {
  const get = async (path: string, signal?: AbortSignal): Promise<string> =>
    text(await send(socketPath, 'GET', path, signal));
  const post = async (path: string, signal?: AbortSignal): Promise<void> =>
    void (await text(await send(socketPath, 'POST', path, signal)));
  const act = (verb: string, component: string, signal?: AbortSignal, query = ''): Promise<void> =>
    post(`/v1/${verb}/${encodeURIComponent(component)}${query}`, signal);
  const end = async (path: string, signal?: AbortSignal): Promise<void> => {
    const eventStream = await send(socketPath, 'GET', '/v1/events', signal);
    await post(path);
    await text(eventStream);
  };
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
    async *events(signal) {
      for await (const line of lines(await send(socketPath, 'GET', '/v1/events', signal), signal)) {
        if (!line.startsWith('data: ')) continue;
        const event: Event = JSON.parse(line.slice('data: '.length));
        yield event;
      }
    },
    async history() {
      const events: Event[] = JSON.parse(await get('/v1/events?past'));
      return events;
    },
    async *logs(query, signal) {
      const response = await send(socketPath, 'GET', `/v1/logs?${searchOf(query)}`, signal);
      for await (const line of lines(response, signal)) {
        const logLine: LogLine = JSON.parse(line);
        yield logLine;
      }
    },
    async *snapshot(signal) {
      const response = await send(socketPath, 'GET', '/v1/snapshot', signal);
      for await (const line of lines(response)) {
        if (line.startsWith('{"error":')) throw serverError(response.statusCode ?? 0, line);
        yield `${line}\n`;
      }
    },
    restart: (component, { cascade = false } = {}, signal) =>
      act('restart', component, signal, cascade ? '?cascade' : ''),
    stop: (component, signal) => act('stop', component, signal),
    start: (component, signal) => act('start', component, signal),
    down: async (signal) => end('/v1/down', signal),
    restartNode: async (signal) => end('/v1/restart-node', signal),
  };
}

function searchOf({ components, follow, tail, since }: LogQuery): string {
  const search = new URLSearchParams();
  for (const component of components) search.append('component', component);
  if (follow) search.set('follow', '1');
  if (tail !== undefined) search.set('tail', String(tail));
  if (since !== undefined) search.set('since', String(since));
  return search.toString();
}

/**
 * Sends a request over the unix socket. Resolves when the response begins.
 * @throws Failure `notReady` if nothing listens; the server's error if the status is neither 2xx nor `expected`.
 */
async function send(
  socketPath: string,
  method: 'GET' | 'POST',
  path: string,
  signal?: AbortSignal,
  expected: readonly number[] = [],
): Promise<IncomingMessage> {
  const name = basename(dirname(socketPath));
  // It would not answer before it goes on.
  if (existsSync(nodePaths(name).poolMark)) throw ofPool(name);
  const response = await new Promise<IncomingMessage>((resolve, reject) => {
    const outgoing = request({
      socketPath,
      agent: false,
      method,
      path,
      headers: { host: 'node' },
      ...(signal && { signal }),
    });
    outgoing.once('response', resolve);
    outgoing.once('error', (cause) =>
      reject(signal?.aborted === true ? signal.reason : cannotConnect(name, cause)),
    );
    outgoing.end();
  });
  const status = response.statusCode ?? 0;
  if ((status >= 200 && status < 300) || expected.includes(status)) return response;
  throw serverError(status, await text(response));
}

function ofPool(name: string): Failure {
  return new Failure('notReady', `node ${name} belongs to the pool, and is frozen until somebody takes it`, {
    hint: 'take one: k8s-single run -- COMMAND, or k8s-single up --from-pool',
  });
}

function cannotConnect(name: string, cause: unknown): Failure {
  switch (errorCode(cause) ?? '') {
    case 'ENOENT':
    case 'ECONNREFUSED':
      return notRunning(name, cause);
    case 'EACCES':
      return new Failure('preflight', `no permission to connect to node ${name}`, {
        hint: 'run this as root',
        cause,
      });
    default:
      return new Failure('notReady', `node ${name} does not answer: ${reasonOf(cause)}`, { cause });
  }
}

/** The error that the server has sent. */
function serverError(status: number, body: string): Error {
  try {
    const { error }: ErrorBody = JSON.parse(body);
    if (!isFailureCode(error.code)) return new Error(error.message);
    return new Failure(error.code, error.message, error.hint === undefined ? {} : { hint: error.hint });
  } catch (cause) {
    return new Error(`HTTP ${status} from the node: ${body.slice(0, 200)}`, { cause });
  }
}

function isFailureCode(code: string): code is FailureCode {
  return code in exitCodes && code !== 'bug' && code !== 'ok';
}

/** The whole body. */
async function text(response: IncomingMessage): Promise<string> {
  let body = '';
  for await (const chunk of chunks(response)) body += chunk;
  return body;
}

/** The non-empty lines of the body as they arrive. Returns when the signal aborts. */
async function* lines(response: IncomingMessage, signal?: AbortSignal): AsyncGenerator<string, void> {
  let rest = '';
  try {
    for await (const chunk of chunks(response)) {
      const parts = (rest + chunk).split('\n');
      rest = parts.pop() ?? '';
      yield* parts.filter((line) => line !== '');
    }
  } catch (error) {
    if (signal?.aborted !== true) throw error;
  }
}

async function* chunks(response: IncomingMessage): AsyncGenerator<string, void> {
  response.setEncoding('utf8');
  try {
    for await (const chunk of response) yield String(chunk);
  } catch (cause) {
    throw new Failure('notReady', `the node closed the connection: ${reasonOf(cause)}`, { cause });
  }
}
