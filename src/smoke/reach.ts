import { Unhealthy, type Probe } from '../../probes/probe.ts';
import { oneLine } from '../../probes/transport/reason.ts';
import { reasonOf } from '../lib/errors.ts';
import type { Context } from './check.ts';

/**
 * The pod that sends the requests, made by the check `exec`: the smoke test itself may run in another
 * network.
 */
export const clientPod = 'exec';

/** The pod that answers requests, made by the check `pod`, and its port. */
export const serverPod = { name: 'pod', port: 8080 } as const;

/** The server's response. */
export function greeting({ namespace }: Pick<Context, 'namespace'>): string {
  return `hello from ${namespace}`;
}

/** The hint when the server answers at the pod's address, but not at the Service's. */
export const proxyHint = 'the pod itself answers, so look at kube-proxy';

/**
 * Passes when the server answers the client at this address. `hint` ends the reason when it does not. Uses nc
 * because busybox's static wget looks up the port by name, which needs libraries that a small image lacks.
 */
export function serverAnswers(
  context: Context,
  host: string,
  port: number,
  { hint = '', from = clientPod }: { readonly hint?: string; readonly from?: string } = {},
): Probe {
  const request = `printf 'GET /index.html HTTP/1.0\\r\\n\\r\\n' | nc -w 2 ${host} ${port}`;
  const unhealthy = (what: string, cause?: unknown): Unhealthy =>
    new Unhealthy([`${host}:${port} ${what}`, hint].filter(Boolean).join('; '), { cause });
  return async (signal) => {
    const answer = await context.exec(from, ['sh', '-c', request], signal).catch((cause: unknown) => {
      throw unhealthy(`does not answer: ${reasonOf(cause)}`, cause);
    });
    if (answer.includes(greeting(context))) return;
    throw unhealthy(`sends an unexpected response: ${oneLine(answer) || 'it is empty'}`);
  };
}
