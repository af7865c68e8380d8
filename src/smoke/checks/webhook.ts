import { generateKeyPairSync, X509Certificate } from 'node:crypto';
import { createServer } from 'node:http';
import { json } from 'node:stream/consumers';
import { TLSSocket } from 'node:tls';
import { Unhealthy } from '../../../probes/probe.ts';
import { at, textAt } from '../../../probes/transport/json.ts';
import { issuerOf, signAuthority, signLeaf } from '../../kubernetes/pki/sign.ts';
import { ApiError } from '../api.ts';
import type { Check, Context } from '../check.ts';
import { service } from '../objects.ts';
import { clientPod } from '../reach.ts';

const name = 'webhook';
const port = 8443;
const configurations = '/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations';
/** The webhook's answer. */
const refusal = 'refused by the webhook of the smoke test';

export const webhook: Check = {
  name,
  summary: 'the API server asks an admission webhook that a pod serves behind a Service',
  needs: ['exec'],
  deadlineMs: 60_000,
  run: async (context) => {
    const { api, namespace, namespacePath, signal, until } = context;
    const server = await certificateFor(`${name}.${namespace}.svc`);
    await api.create(`${namespacePath}/services`, service(name, clientPod, port, 'ClusterIP'), signal);
    const stop = new AbortController();
    const served = serve(context, server, AbortSignal.any([signal, stop.signal]));
    try {
      await api.create(configurations, await configuration(context, server.ca), signal);
      await until('a request that the webhook refuses', async (attemptSignal) => {
        const map = {
          apiVersion: 'v1',
          kind: 'ConfigMap',
          metadata: { name, labels: { webhook: namespace } },
        };
        const answer = await api.create(`${namespacePath}/configmaps?dryRun=All`, map, attemptSignal).then(
          () => 'it was admitted: the API server does not ask the webhook yet',
          (error: unknown) => {
            if (!(error instanceof ApiError)) throw error;
            return error.message;
          },
        );
        if (!answer.includes(refusal)) throw new Unhealthy(answer);
      });
    } finally {
      stop.abort();
      await served;
      await api.remove(`${configurations}/${namespace}`, new AbortController().signal);
    }
  },
};

/** Refuses what has the label of this run. Goes with the namespace, also when the smoke test is killed. */
async function configuration(
  { api, namespace, namespacePath, signal }: Context,
  ca: string,
): Promise<object> {
  const owner = await api.get(namespacePath, signal);
  const uid = textAt(owner, 'metadata', 'uid');
  const ownerReferences = [{ apiVersion: 'v1', kind: 'Namespace', name: namespace, uid }];
  return {
    apiVersion: 'admissionregistration.k8s.io/v1',
    kind: 'ValidatingWebhookConfiguration',
    metadata: { name: namespace, ownerReferences },
    webhooks: [
      {
        name: 'smoke.k8s-single.local',
        clientConfig: {
          service: { name, namespace, port },
          caBundle: Buffer.from(ca).toString('base64'),
        },
        objectSelector: { matchLabels: { webhook: namespace } },
        rules: [{ apiGroups: [''], apiVersions: ['v1'], resources: ['configmaps'], operations: ['CREATE'] }],
        admissionReviewVersions: ['v1'],
        failurePolicy: 'Fail',
        sideEffects: 'None',
        timeoutSeconds: 2,
      },
    ],
  };
}

interface ServerCertificate {
  readonly ca: string;
  readonly cert: string;
  readonly key: string;
}

async function certificateFor(host: string): Promise<ServerCertificate> {
  const now = new Date();
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const ca = signAuthority('smoke', privateKey, '', now);
  const authority = new X509Certificate(ca);
  const leaf = { commonName: host, usage: 'serverAuth', sans: [host] } as const;
  const issuer = async () => issuerOf(authority, privateKey, '');
  const cert = await signLeaf(leaf, privateKey, { cert: authority, issuer }, now);
  return { ca, cert, key: privateKey.export({ type: 'sec1', format: 'pem' }).toString() };
}

/**
 * Serves one connection after the other through nc in the client pod until the signal aborts: TLS and HTTP are spoken here,
 * because a small image has no server for them. Never rejects.
 */
async function serve(
  { stream: streamInPod }: Context,
  { cert, key }: ServerCertificate,
  signal: AbortSignal,
) {
  const server = createServer((request, response) => {
    const review = json(request).then((body) => {
      const uid = at(body, 'request', 'uid');
      const answer = { uid, allowed: false, status: { message: refusal } };
      const object = { apiVersion: 'admission.k8s.io/v1', kind: 'AdmissionReview', response: answer };
      response.setHeader('content-type', 'application/json').end(JSON.stringify(object));
    });
    review.catch(() => response.destroy());
  });
  while (!signal.aborted) {
    const { stream, ended } = streamInPod(clientPod, ['nc', '-l', '-p', String(port)], signal);
    const socket = new TLSSocket(stream, { isServer: true, cert, key });
    // The API server says why it could not use the connection.
    socket.on('error', () => stream.destroy());
    server.emit('connection', socket);
    await ended;
  }
}
