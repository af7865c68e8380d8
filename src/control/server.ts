import { once } from 'node:events';
import { chmod, rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { Duplex } from 'node:stream';
import { Failure } from '../errors.ts';
import type { ControlledNode } from './node.ts';
import { errorBody } from './reply.ts';
import { answer } from './routes.ts';
import { alreadyRunning, makeRoom } from './socket.ts';

/** So long, in ms, readers have to take in what was sent last. */
const farewellMs = 1000;

/** A control socket that is being served. */
export interface ControlServer {
  /** Removes the socket, then ends all streams: whoever reads to the end knows that nobody listens any more. */
  close(): Promise<void>;
}

/**
 * Serves the node's control API, HTTP over a unix socket that only its owner may use (0600 in a folder 0700).
 * @throws Failure `preflight` when the node is already running.
 */
export async function serve(socketPath: string, node: ControlledNode): Promise<ControlServer> {
  await makeRoom(socketPath, node.name);
  const closing = new AbortController();
  const server = createServer((request, response) => void answer(node, request, response, closing.signal));
  server.on('clientError', refuse);
  server.listen(socketPath);
  await once(server, 'listening').catch((cause: unknown) => {
    const taken = cause instanceof Error && 'code' in cause && cause.code === 'EADDRINUSE';
    throw taken
      ? alreadyRunning(node.name)
      : new Failure('preflight', `cannot listen on ${socketPath}`, { cause });
  });
  await chmod(socketPath, 0o600);
  return {
    async close() {
      const closed = once(server, 'close');
      server.close();
      await rm(socketPath, { force: true });
      closing.abort();
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
