import { Unhealthy, type Probe } from '../../probes/probe.ts';
import { oneLine } from '../../probes/reason.ts';
import type { Context } from './check.ts';

/** The pod from which others are reached, made by the check `exec`: so the smoke test itself may run anywhere. */
export const client = 'exec';

/** The pod that answers, made by the check `pod`, and where it does. */
export const server = { name: 'pod', port: 8080 } as const;

/** What the server says to whoever asks it. */
export function greeting({ namespace }: Pick<Context, 'namespace'>): string {
  return `hello from ${namespace}`;
}

/**
 * The server answers the client at this address. Not wget: busybox's static one looks the port up by name, which takes
 * libraries that a tiny image has not.
 */
export function answers(context: Context, host: string, port: number): Probe {
  const request = `printf 'GET /index.html HTTP/1.0\\r\\n\\r\\n' | nc -w 2 ${host} ${port}`;
  return async (signal) => {
    const where = `${host}:${port}`;
    const answer = await context.exec(client, ['sh', '-c', request], signal).catch((error: unknown) => {
      throw new Unhealthy(
        `${where} does not answer: ${error instanceof Error ? error.message : String(error)}`,
        {
          cause: error,
        },
      );
    });
    if (!answer.includes(greeting(context))) {
      throw new Unhealthy(`${where} answers something else: ${oneLine(answer) || 'nothing'}`);
    }
  };
}
