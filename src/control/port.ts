import { once } from 'node:events';
import type { IncomingMessage } from 'node:http';
import type { Server } from 'node:net';
import { endableServer } from './http.ts';
import type { ControlledNode } from './node.ts';
import { BadRequest, sendError, sendText } from './reply.ts';
import { answer, reading } from './routes.ts';

/** Something to look at in a browser. */
export interface Page {
  readonly type: string;
  readonly body: string;
}

/** What is served beside the node's own answers, by path. */
export type Pages = Readonly<Record<string, () => Page | Promise<Page>>>;

/** A port that is being served. */
export interface ServedPort {
  /** `http://127.0.0.1:9990/` */
  readonly url: string;
  close(): Promise<void>;
}

/** Nothing from elsewhere, nothing inline, in nobody's frame (https://www.w3.org/TR/CSP3/). */
const contentSecurityPolicy = [
  "default-src 'none'",
  ...['script', 'style', 'connect', 'img'].map((what) => `${what}-src 'self'`),
  ...['base-uri', 'form-action', 'frame-ancestors'].map((what) => `${what} 'none'`),
].join('; ');

const headers = {
  'content-security-policy': contentSecurityPolicy,
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
  'referrer-policy': 'no-referrer',
  'x-content-type-options': 'nosniff',
  'cache-control': 'no-store',
};

/** So many connections at once; what is more is refused. */
const mostConnections = 200;

/**
 * Serves what can be read of the node, and nothing that acts, on a port that listens already: a server, or a descriptor
 * that was inherited.
 */
export async function servePort(
  listening: Server | { readonly fd: number },
  node: ControlledNode,
  pages: Pages,
): Promise<ServedPort> {
  const routes = { reading: { ...reading, ...routesTo(pages) }, acting: {} };
  const { server, end } = endableServer(async (request, response, signal) => {
    for (const [name, value] of Object.entries(headers)) response.setHeader(name, value);
    if (isForUs(request)) return answer(routes, request, { node, response, signal });
    const host = request.headers.host ?? '';
    sendError(
      response,
      new BadRequest(421, `"${host}" is not this machine`, 'ask for 127.0.0.1 or localhost'),
    );
  });
  server.maxConnections = mostConnections;
  server.listen(listening);
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('the descriptor is no TCP port');
  const host = address.family === 'IPv6' ? `[${address.address}]` : address.address;
  return { url: `http://${host}:${address.port}/`, close: end };
}

/**
 * A page from elsewhere whose name was made to lead here (DNS rebinding) says its own name. The port may differ: whoever
 * comes through a tunnel has another.
 */
function isForUs({ headers: { host = '' } }: IncomingMessage): boolean {
  return /^(?:localhost|127\.\d+\.\d+\.\d+|\[::1\])(?::\d+)?$/i.test(host);
}

function routesTo(pages: Pages): typeof reading {
  const routes = Object.entries(pages).map(([path, make]): [string, (typeof reading)[string]] => [
    path,
    async ({ response }) => {
      const { type, body } = await make();
      sendText(response, 200, body, type);
    },
  ]);
  return Object.fromEntries(routes);
}
