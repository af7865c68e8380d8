import type { IncomingMessage, ServerResponse } from 'node:http';
import { supervisorLog } from './node.ts';
import type { ControlledNode, LogQuery } from './node.ts';
import { BadRequest, errorBody, sendError, sendJson, sendText } from './http.ts';
import { streamEvents, streamLines, streamLogs } from './stream.ts';

/** What the handler of a route gets. */
export interface RequestContext {
  readonly node: ControlledNode;
  readonly response: ServerResponse;
  readonly query: URLSearchParams;
  /** The path after the prefix of the route. */
  readonly rest: string;
  /** Aborts when the server closes. */
  readonly signal: AbortSignal;
}

/** Handlers by path. A path that ends with a slash is a prefix, followed by a name. */
export type RouteTable = Readonly<Record<string, (context: RequestContext) => void | Promise<void>>>;

export interface Routes {
  readonly get: RouteTable;
  readonly post: RouteTable;
}

/** Read-only, so that they can also be served on a TCP port. */
export const readOnlyRoutes: RouteTable = {
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

/** Not for the port: a snapshot has the keys of the cluster. */
const secrets: RouteTable = {
  '/v1/snapshot': async ({ node, response, signal }) => {
    if (node.snapshot === undefined)
      throw new BadRequest(404, 'this node has no etcd of its own, and no snapshots');
    await streamLines(withError(node.snapshot), response, signal);
  },
};

/** Lines that end with the error, as a client reads it, if there is one: the status has been sent then. */
function withError(lines: (signal: AbortSignal) => AsyncIterable<string>) {
  return async function* (signal: AbortSignal): AsyncGenerator<string, void> {
    let isFirst = true;
    try {
      for await (const line of lines(signal)) {
        yield line;
        isFirst = false;
      }
    } catch (error) {
      if (isFirst) throw error;
      yield `${JSON.stringify(errorBody(error))}\n`;
    }
  };
}

const actions: RouteTable = {
  '/v1/restart/': async ({ node, response, rest, query }) => {
    await node.restart(componentNamed(node, decode(rest)), { cascade: flag(query, 'cascade') });
    sendJson(response, 200, {});
  },
  '/v1/stop/': async ({ node, response, rest }) => {
    await node.stop(componentNamed(node, decode(rest)));
    sendJson(response, 200, {});
  },
  '/v1/start/': async ({ node, response, rest }) => {
    await node.start(componentNamed(node, decode(rest)));
    sendJson(response, 200, {});
  },
  '/v1/down': ({ node, response }) => {
    sendJson(response, 202, {});
    node.down();
  },
  '/v1/restart-node': ({ node, response }) => {
    if (node.restartNode === undefined)
      throw new BadRequest(404, 'this node does not start again by itself: take it down, and bring it up');
    sendJson(response, 202, {});
    node.restartNode();
  },
};

/** The routes of the control socket. */
export const controlRoutes: Routes = { get: { ...readOnlyRoutes, ...secrets }, post: actions };

/** Handles one request. Never rejects: errors are sent as the response. */
export async function handleRequest(
  routes: Routes,
  request: IncomingMessage,
  { node, response, signal }: Pick<RequestContext, 'node' | 'response' | 'signal'>,
): Promise<void> {
  request.resume();
  response.on('error', () => undefined);
  try {
    const url = new URL(`http://node${request.url ?? '/'}`);
    const { handler, rest } = findRoute(routes, request.method ?? 'GET', url.pathname);
    await handler({ node, response, query: url.searchParams, rest, signal });
  } catch (error) {
    sendError(response, error);
  }
}

function findRoute(
  { get, post }: Routes,
  method: string,
  path: string,
): { handler: RouteTable[string]; rest: string } {
  const [table, other] = method === 'POST' ? [post, get] : [get, post];
  const wrongMethod = Object.keys(other).some((prefix) => matches(path, prefix));
  if (wrongMethod || (method !== 'GET' && method !== 'POST'))
    throw new BadRequest(405, `${method} is not allowed for ${path}`);
  const prefix = Object.keys(table).find((candidate) => matches(path, candidate));
  const handler = prefix === undefined ? undefined : table[prefix];
  if (prefix === undefined || handler === undefined) {
    const paths = [...Object.keys(get), ...Object.keys(post)];
    throw new BadRequest(404, `there is no ${path}`, `the paths are: ${paths.join(' ')}`);
  }
  return { handler, rest: path.slice(prefix.length) };
}

function matches(path: string, prefix: string): boolean {
  return prefix.endsWith('/') && prefix !== '/'
    ? path.startsWith(prefix) && path !== prefix
    : path === prefix;
}

/** @throws BadRequest if there is no such component. */
function componentNamed(node: ControlledNode, component: string): string {
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
    throw new BadRequest(400, `"${encoded}" is not valid percent-encoding`, String(cause));
  }
}

function flag(query: URLSearchParams, name: string): boolean {
  return query.has(name) && !['0', 'false'].includes(query.get(name) ?? '');
}

function logQuery(node: ControlledNode, query: URLSearchParams): LogQuery {
  const components = query
    .getAll('component')
    .map((name) => (name === supervisorLog ? name : componentNamed(node, name)));
  return {
    components,
    follow: flag(query, 'follow'),
    tail: integer(query, 'tail'),
    since: integer(query, 'since'),
  };
}

function integer(query: URLSearchParams, name: string): number | undefined {
  const text = query.get(name);
  if (text === null) return undefined;
  if (!/^\d{1,15}$/.test(text)) throw new BadRequest(400, `${name} must be a whole number, not "${text}"`);
  return Number(text);
}
