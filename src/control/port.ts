import { once } from 'node:events';
import type { IncomingMessage } from 'node:http';
import type { Server } from 'node:net';
import { BadRequest, httpServer, sendError, sendText } from './http.ts';
import type { ControlledNode } from './node.ts';
import { handleRequest, readOnlyRoutes } from './routes.ts';
import type { RouteTable } from './routes.ts';

/** A page for a browser. */
export interface Page {
  /** Content type. */
  readonly type: string;
  readonly body: string;
}

/** What is served in addition to the read-only API, by path. */
export type Pages = Readonly<Record<string, () => Page | Promise<Page>>>;

/** A TCP port that is being served. */
export interface ServedPort {
  /** Such as `http://127.0.0.1:9990/`. */
  readonly url: string;
  close(): Promise<void>;
}

/** Only files of this server, nothing inline, and no framing (https://www.w3.org/TR/CSP3/). */
const contentSecurityPolicy = [
  "default-src 'none'",
  ...['script', 'style', 'connect', 'img'].map((kind) => `${kind}-src 'self'`),
  ...['base-uri', 'form-action', 'frame-ancestors'].map((name) => `${name} 'none'`),
].join('; ');

const headers = {
  'content-security-policy': contentSecurityPolicy,
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
  'referrer-policy': 'no-referrer',
  'x-content-type-options': 'nosniff',
  'cache-control': 'no-store',
};

/** Further connections are refused. */
const maxConnections = 200;

/** Serves the read-only part of the API and the pages on a port that listens already: a server or an inherited descriptor. */
export async function servePort(
  listening: Server | { readonly fd: number },
  node: ControlledNode,
  pages: Pages,
): Promise<ServedPort> {
  const routes = { get: { ...readOnlyRoutes, ...routesTo(pages) }, post: {} };
  const { server, close } = httpServer(async (request, response, signal) => {
    for (const [name, value] of Object.entries(headers)) response.setHeader(name, value);
    if (isCrossSite(request)) {
      const hint = 'open the address itself, in a tab of its own';
      return sendError(response, new BadRequest(403, 'a page of another site may not load this', hint));
    }
    if (isLoopbackHost(request)) return handleRequest(routes, request, { node, response, signal });
    const host = request.headers.host ?? '';
    sendError(response, new BadRequest(421, `"${host}" is not this machine`, 'use 127.0.0.1 or localhost'));
  });
  server.maxConnections = maxConnections;
  server.listen(listening);
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('the descriptor is not a TCP socket');
  const host = address.family === 'IPv6' ? `[${address.address}]` : address.address;
  return { url: `http://${host}:${address.port}/`, close };
}

/** Against DNS rebinding: a foreign page sends its own host name. The port may differ, for example through a tunnel. */
function isLoopbackHost({ headers: { host = '' } }: IncomingMessage): boolean {
  return /^(?:localhost|127\.\d+\.\d+\.\d+|\[::1\])(?::\d+)?$/i.test(host);
}

/**
 * Whether a page of another site loads it, in a frame for one; a link to the page is fine. By Fetch Metadata
 * (https://www.w3.org/TR/fetch-metadata/), or the Origin of a browser without that.
 */
function isCrossSite({ headers: { origin, ...others } }: IncomingMessage): boolean {
  const [site, mode, dest] = ['site', 'mode', 'dest'].map((name) => others[`sec-fetch-${name}`]);
  if (site === undefined)
    return origin !== undefined && !/^https?:\/\/(?:localhost|127\.|\[::1\])/i.test(origin);
  const isOwn = site === 'same-origin' || site === 'none';
  return !isOwn && !(mode === 'navigate' && dest === 'document');
}

function routesTo(pages: Pages): RouteTable {
  const routes = Object.entries(pages).map(([path, make]): [string, RouteTable[string]] => [
    path,
    async ({ response }) => {
      const { type, body } = await make();
      sendText(response, 200, body, type);
    },
  ]);
  return Object.fromEntries(routes);
}
