import { once } from 'node:events';
import { chmod, rm } from 'node:fs/promises';
import { Failure } from '../lib/errors.ts';
import { endableServer } from './http.ts';
import type { ControlledNode } from './node.ts';
import { answer, everything } from './routes.ts';
import { alreadyRunning, removeStaleSocket } from './socket.ts';

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
  await removeStaleSocket(socketPath, node.name);
  const { server, end } = endableServer(async (request, response, signal) =>
    answer(everything, request, { node, response, signal }),
  );
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
      await rm(socketPath, { force: true });
      await end();
    },
  };
}
