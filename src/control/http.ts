import { once, setMaxListeners } from 'node:events';
import { createServer } from 'node:http';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import { Failure, reasonOf } from '../lib/errors.ts';
import type { FailureCode } from '../lib/errors.ts';

/** Time that clients have to read the last response when the server closes, in ms. */
const closeTimeoutMs = 1000;

/** An HTTP server that does not listen yet. */
export interface HttpServer {
  readonly server: Server;
  /** Accepts no more connections and ends all streams. Resolves when the last connection is closed. */
  readonly close: () => Promise<void>;
}

/** `handle` must not throw; its signal aborts when the server closes. */
export function httpServer(
  handle: (request: IncomingMessage, response: ServerResponse, signal: AbortSignal) => Promise<void>,
): HttpServer {
  const closing = new AbortController();
  // One listener for each stream: above ten, Node.js would warn of a leak.
  setMaxListeners(0, closing.signal);
  const server = createServer((request, response) => void handle(request, response, closing.signal));
  server.on('clientError', rejectMalformed);
  return {
    server,
    async close() {
      const closed = once(server, 'close');
      server.close();
      closing.abort();
      const timeout = AbortSignal.timeout(closeTimeoutMs);
      timeout.addEventListener('abort', () => server.closeAllConnections());
      await closed;
    },
  };
}

function rejectMalformed(error: Error, socket: Duplex): void {
  if (!socket.writable) return;
  const failure = new Failure('usage', `not an HTTP request: ${error.message}`);
  const body = `${JSON.stringify(errorBody(failure))}\n`;
  const head = `HTTP/1.1 400 Bad Request\r\ncontent-type: application/json\r\ncontent-length: ${body.length}`;
  socket.end(`${head}\r\nconnection: close\r\n\r\n${body}`);
}

/** The body of an error response. */
export interface ErrorBody {
  readonly error: {
    readonly code: FailureCode | 'bug';
    readonly message: string;
    readonly hint?: string | undefined;
  };
}

/** An error of the client, with its HTTP status. */
export class BadRequest extends Failure {
  readonly status: number;

  constructor(status: number, message: string, hint?: string) {
    super('usage', message, hint === undefined ? {} : { hint });
    this.status = status;
  }
}

export function sendJson(response: ServerResponse, status: number, body: object): void {
  response.writeHead(status, { 'content-type': 'application/json' }).end(`${JSON.stringify(body)}\n`);
}

export function sendText(
  response: ServerResponse,
  status: number,
  text: string,
  type = 'text/plain; charset=utf-8',
): void {
  response.writeHead(status, { 'content-type': type }).end(text);
}

/** Responds with the error. If the response has begun already, closes the connection. */
export function sendError(response: ServerResponse, error: unknown): void {
  if (response.headersSent) return void response.destroy();
  const status = error instanceof BadRequest ? error.status : error instanceof Failure ? 409 : 500;
  sendJson(response, status, errorBody(error));
}

export function errorBody(error: unknown): ErrorBody {
  const message = reasonOf(error);
  if (!(error instanceof Failure)) return { error: { code: 'bug', message } };
  return { error: { code: error.code, message, hint: error.hint } };
}
