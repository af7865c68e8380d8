import { Unhealthy, type Probe } from '../../probes/probe.ts';
import { oneLine } from '../../probes/transport/reason.ts';
import { reasonOf } from '../lib/errors.ts';
import type { Context } from './check.ts';

/** The pod from which others are reached, made by the check `exec`: so the smoke test itself may run anywhere. */
export const client = 'exec';

/** The pod that answers, made by the check `pod`, and where it does. */
export const server = { name: 'pod', port: 8080 } as const;

/** What the server says to whoever asks it. */
export function greeting({ namespace }: Pick<Context, 'namespace'>): string {
  return `hello from ${namespace}`;
}

/** What it means when the server does not answer at an address of a Service. */
export const proxyHint = 'the pod itself answers, so look at kube-proxy';

/**
 * The server answers the client at this address; `hint` ends the reason when it does not. Not wget: busybox's static one
 * looks the port up by name, which takes libraries that a tiny image has not.
 */
export function answers(context: Context, host: string, port: number, hint = ''): Probe {
  const request = `printf 'GET /index.html HTTP/1.0\\r\\n\\r\\n' | nc -w 2 ${host} ${port}`;
  const miss = (how: string, cause?: unknown): Unhealthy =>
    new Unhealthy([`${host}:${port} ${how}`, hint].filter(Boolean).join('; '), { cause });
  return async (signal) => {
    const answer = await context.exec(client, ['sh', '-c', request], signal).catch((cause: unknown) => {
      throw miss(`does not answer: ${reasonOf(cause)}`, cause);
    });
    if (answer.includes(greeting(context))) return;
    throw miss(`answers something else: ${oneLine(answer) || 'nothing'}`);
  };
}
