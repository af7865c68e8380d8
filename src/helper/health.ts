import { once } from 'node:events';
import { rmSync } from 'node:fs';
import { createServer } from 'node:http';

/** Why a part of the helper does not work yet, or no longer; undefined when it does. */
export type Check = () => string | undefined;

/**
 * Serves the health of this process over HTTP on a unix socket, for the component's probes: 200 when every check passes, or 503
 * and a line for each that does not, as the health endpoints of Kubernetes write it. `/healthz/NAME` is of one check alone, and 404 if there is none of that name.
 */
export async function serveHealth(
  socketPath: string,
  checks: ReadonlyMap<string, Check>,
): Promise<AsyncDisposable> {
  const server = createServer(({ url = '' }, response) => {
    const only = /^\/healthz\/(?<name>[^?]+)/.exec(url)?.groups?.['name'];
    const asked = [...checks].filter(([name]) => only === undefined || only === name);
    const failures = asked.flatMap(([name, check]) => {
      const reason = check();
      return reason === undefined ? [] : [`[-]${name}: ${reason}\n`];
    });
    const status = asked.length === 0 ? 404 : failures.length === 0 ? 200 : 503;
    response.writeHead(status, { 'content-type': 'text/plain' });
    response.end(failures.join('') || 'ok\n');
  });
  // Of a process that was killed.
  rmSync(socketPath, { force: true });
  server.listen(socketPath);
  await once(server, 'listening');
  return {
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections();
      server.close();
    },
  };
}
