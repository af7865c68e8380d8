import { once } from 'node:events';
import { createServer } from 'node:http';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import { Failure } from '../lib/errors.ts';
import { errorBody } from './reply.ts';

/** So long, in ms, readers have to take in what was sent last. */
const farewellMs = 1000;

/** A server that does not listen yet, and the end of it. */
export interface EndableServer {
  readonly server: Server;
  /** Takes no more connections and ends all streams; resolves when the last connection is closed. */
  readonly end: () => Promise<void>;
}

/** `answer` must not throw; its signal aborts when the server ends. */
export function endableServer(
  answer: (request: IncomingMessage, response: ServerResponse, signal: AbortSignal) => Promise<void>,
): EndableServer {
  const ending = new AbortController();
  const server = createServer((request, response) => void answer(request, response, ending.signal));
  server.on('clientError', refuse);
  return {
    server,
    async end() {
      const closed = once(server, 'close');
      server.close();
      ending.abort();
      const impatient = AbortSignal.timeout(farewellMs);
      impatient.addEventListener('abort', () => server.closeAllConnections());
      await closed;
    },
  };
}

/** What is not HTTP is told so and let go. */
function refuse(error: Error, socket: Duplex): void {
  if (!socket.writable) return;
  const body = `${JSON.stringify(errorBody(new Failure('usage', `not a request: ${error.message}`)))}\n`;
  const head = `HTTP/1.1 400 Bad Request\r\ncontent-type: application/json\r\ncontent-length: ${body.length}`;
  socket.end(`${head}\r\nconnection: close\r\n\r\n${body}`);
}
