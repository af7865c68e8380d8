import { once } from 'node:events';
import { chmod, rm } from 'node:fs/promises';
import { errorCode } from '../../probes/errorCode.ts';
import { Failure } from '../lib/errors.ts';
import { httpServer } from './http.ts';
import { alreadyRunning } from './node.ts';
import type { ControlledNode } from './node.ts';
import { controlRoutes, handleRequest } from './routes.ts';
import { removeStaleSocket } from './socket.ts';

/** A control socket that is being served. */
export interface ControlServer {
  /** Removes the socket, then ends all streams: at the end of a stream, nothing listens any more. */
  close(): Promise<void>;
}

/**
 * Serves the control API of the node: HTTP over a unix socket with mode 0600 in a folder with mode 0700.
 * @throws Failure `preflight` if the node is running already, or the socket cannot be created.
 */
export async function serve(socketPath: string, node: ControlledNode): Promise<ControlServer> {
  await removeStaleSocket(socketPath, node.name);
  const { server, close } = httpServer(async (request, response, signal) =>
    handleRequest(controlRoutes, request, { node, response, signal }),
  );
  server.listen(socketPath);
  await once(server, 'listening').catch((cause: unknown) => {
    throw errorCode(cause) === 'EADDRINUSE'
      ? alreadyRunning(node.name)
      : new Failure('preflight', `cannot listen on ${socketPath}`, { cause });
  });
  await chmod(socketPath, 0o600);
  return {
    async close() {
      await rm(socketPath, { force: true });
      await close();
    },
  };
}
