import type { IncomingMessage, ServerResponse } from 'node:http';
import { supervisorLog } from './node.ts';
import type { ControlledNode, LogQuery } from './node.ts';
import { BadRequest, sendError, sendJson, sendText } from './reply.ts';
import { streamEvents, streamLogs } from './stream.ts';

/** What a request is answered from. */
export interface Request {
  readonly node: ControlledNode;
  readonly response: ServerResponse;
  readonly query: URLSearchParams;
  /** What follows the route's own path. */
  readonly rest: string;
  /** Aborts when the server closes. */
  readonly signal: AbortSignal;
}

type Table = Readonly<Record<string, (request: Request) => void | Promise<void>>>;

/** Which paths there are, for GET and for POST. A path that ends with a slash takes a name after it. */
export interface Routes {
  readonly reading: Table;
  readonly acting: Table;
}

/** Reading changes nothing: safe to serve on a port as well. */
export const reading: Table = {
  '/healthz': ({ response }) => sendText(response, 200, 'ok\n'),
  '/readyz': ({ node, response }) => {
    if (node.isReady()) sendText(response, 200, 'ok\n');
    else sendText(response, 503, `${node.notReady().join('\n')}\n`);
  },
  '/metrics': async ({ node, response }) =>
    sendText(response, 200, await node.metrics(), 'text/plain; version=0.0.4; charset=utf-8'),
  '/v1/status': async ({ node, response }) => sendJson(response, 200, await node.status()),
  '/v1/events': ({ node, response, query, signal }) =>
    flag(query, 'past') ? sendJson(response, 200, node.history()) : streamEvents(node, response, signal),
  '/v1/logs': ({ node, response, query, signal }) =>
    streamLogs(node, logQuery(node, query), response, signal),
};

const acting: Table = {
  '/v1/restart/': async ({ node, response, rest, query }) => {
    await node.restart(known(node, rest), { cascade: flag(query, 'cascade') });
    sendJson(response, 200, {});
  },
  '/v1/stop/': async ({ node, response, rest }) => {
    await node.stop(known(node, rest));
    sendJson(response, 200, {});
  },
  '/v1/start/': async ({ node, response, rest }) => {
    await node.start(known(node, rest));
    sendJson(response, 200, {});
  },
  '/v1/down': ({ node, response }) => {
    sendJson(response, 202, {});
    node.down();
  },
};

/** For the control socket. */
export const everything: Routes = { reading, acting };

/** Answers one request, whatever it is; never throws. */
export async function answer(
  routes: Routes,
  request: IncomingMessage,
  { node, response, signal }: Pick<Request, 'node' | 'response' | 'signal'>,
): Promise<void> {
  request.resume();
  response.on('error', () => undefined);
  try {
    const url = new URL(`http://node${request.url ?? '/'}`);
    const { route, rest } = find(routes, request.method ?? 'GET', url.pathname);
    await route({ node, response, query: url.searchParams, rest, signal });
  } catch (error) {
    sendError(response, error);
  }
}

function find(
  { reading: read, acting: act }: Routes,
  method: string,
  path: string,
): { route: Table[string]; rest: string } {
  const [table, other] = method === 'POST' ? [act, read] : [read, act];
  const wrongMethod = Object.keys(other).some((prefix) => matches(path, prefix));
  if (wrongMethod || (method !== 'GET' && method !== 'POST'))
    throw new BadRequest(405, `${path} does not take ${method}`);
  const prefix = Object.keys(table).find((candidate) => matches(path, candidate));
  const route = prefix === undefined ? undefined : table[prefix];
  if (prefix === undefined || route === undefined) {
    throw new BadRequest(
      404,
      `there is no ${path}`,
      `there are ${[...Object.keys(read), ...Object.keys(act)].join(' ')}`,
    );
  }
  return { route, rest: path.slice(prefix.length) };
}

function matches(path: string, prefix: string): boolean {
  return prefix.endsWith('/') && prefix !== '/'
    ? path.startsWith(prefix) && path !== prefix
    : path === prefix;
}

function known(node: ControlledNode, encoded: string): string {
  const component = decode(encoded);
  if (node.components.includes(component)) return component;
  throw new BadRequest(
    404,
    `there is no component "${component}"`,
    `the components are: ${node.components.join(', ')}`,
  );
}

function decode(encoded: string): string {
  try {
    return decodeURIComponent(encoded);
  } catch (cause) {
    throw new BadRequest(400, `"${encoded}" is not percent-encoded as it should be`, String(cause));
  }
}

function flag(query: URLSearchParams, name: string): boolean {
  return query.has(name) && !['0', 'false'].includes(query.get(name) ?? '');
}

function logQuery(node: ControlledNode, query: URLSearchParams): LogQuery {
  const components = query
    .getAll('component')
    .map((name) => (name === supervisorLog ? name : known(node, encodeURIComponent(name))));
  return {
    components,
    follow: flag(query, 'follow'),
    tail: whole(query, 'tail'),
    since: whole(query, 'since'),
  };
}

function whole(query: URLSearchParams, name: string): number | undefined {
  const text = query.get(name);
  if (text === null) return undefined;
  if (!/^\d{1,15}$/.test(text)) throw new BadRequest(400, `${name} must be a whole number, not "${text}"`);
  return Number(text);
}
