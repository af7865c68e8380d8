import { request } from 'node:https';
import { once } from 'node:events';
import type { IncomingMessage } from 'node:http';
import { text } from 'node:stream/consumers';
import { connect } from 'node:tls';
import { Unhealthy } from '../../../probes/probe.ts';
import { parseJson, textAt } from '../../../probes/transport/json.ts';
import { oneLine } from '../../../probes/transport/reason.ts';
import { reasonOf } from '../../lib/errors.ts';
import type { Check, Context } from '../check.ts';
import { clientPod } from '../reach.ts';

const account = '/var/run/secrets/kubernetes.io/serviceaccount';

/** Prints what a client in a pod uses. Every pod has the variables, and so the address without DNS. */
const script = `echo "$KUBERNETES_SERVICE_HOST $KUBERNETES_SERVICE_PORT $(cat ${account}/token)" && cat ${account}/ca.crt`;

/** What this check adds to the check `service`. */
const hint = "if pods reach other Services, look at the node's firewall: iptables -S INPUT";

/** Where the API server is for a pod, and the pod's credentials. */
interface Credentials {
  readonly host: string;
  readonly port: string;
  readonly token: string;
  readonly ca: string;
}

export const podToApi: Check = {
  name: 'pod-to-api',
  summary: 'a pod asks the API server at its Service, with its own token and CA',
  needs: ['exec'],
  deadlineMs: 30_000,
  run: async (context) => {
    const { exec, signal, until } = context;
    const output = await exec(clientPod, ['sh', '-c', script], signal);
    const [, host = '', port = '', token = '', ca = ''] = /^(\S+) (\S+) (\S+)\n([^]*)$/.exec(output) ?? [];
    if (ca === '') throw new Unhealthy('the pod lacks the address of the API server, or its token or CA');
    await until(`https://${host}:${port}`, async (attemptSignal) => {
      const answer = await ask(context, { host, port, token, ca }, attemptSignal);
      // Only for a user whom the API server knows.
      if (textAt(answer, 'kind') === 'APIVersions') return;
      throw new Unhealthy(textAt(answer, 'message') || 'sends an unexpected response');
    });
  },
};

/** Asks through nc in the pod: TLS and HTTP are spoken here, because a small image has no client for them. */
async function ask(
  { stream: streamInPod }: Context,
  { host, port, token, ca }: Credentials,
  signal: AbortSignal,
): Promise<unknown> {
  const { stream, ended } = streamInPod(clientPod, ['nc', '-w', '2', host, port], signal);
  try {
    const socket = connect({ socket: stream, ca, host });
    const sent = request({
      path: '/api',
      createConnection: () => socket,
      headers: { authorization: `Bearer ${token}` },
    });
    // `once` below rejects with the first error. An aborted attempt has more.
    sent.on('error', () => undefined);
    const [response]: IncomingMessage[] = await once(sent.end(), 'response', { signal });
    return parseJson(await text(response!));
  } catch (cause) {
    signal.throwIfAborted();
    stream.destroy();
    const unreached = await ended;
    throw new Unhealthy(unreached === undefined ? oneLine(reasonOf(cause)) : `${unreached}; ${hint}`, {
      cause,
    });
  } finally {
    stream.destroy();
  }
}
