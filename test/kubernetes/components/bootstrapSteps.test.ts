import { readFileSync } from 'node:fs';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer } from 'node:https';
import { text } from 'node:stream/consumers';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Api } from '../../../probes/kinds/api.ts';
import {
  ensureDefaultServiceAccount,
  setPodCidr,
  removeNotReadyTaint,
} from '../../../src/kubernetes/components/bootstrapSteps.ts';
import { authority, type Authority, type Pair } from '../../fixtures/probes/certificates.ts';
import { pass, reason } from '../../fixtures/probes/attempts.ts';
import { listen } from '../../fixtures/probes/servers.ts';

let ca: Authority;
let pair: Pair;

beforeAll(() => {
  ca = authority();
  pair = ca.leaf('server');
});
afterAll(() => ca.remove());

/** A server that answers by `answer`, and the changes it received. */
async function api(answer: (method: string) => { status: number; body?: object }) {
  const requests: { url: string; type: string; body: unknown }[] = [];
  const handle = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const { method = '', url = '', headers } = request;
    const body = await text(request);
    if (method !== 'GET') requests.push({ url, type: headers['content-type'] ?? '', body: JSON.parse(body) });
    const { status, body: object } = answer(method);
    response
      .writeHead(status)
      .end(JSON.stringify(object ?? { kind: 'Status', message: `the reason of ${status}` }));
  };
  const tls = { cert: readFileSync(pair.cert), key: readFileSync(pair.key) };
  const server = createServer(tls, (request, response) => void handle(request, response));
  const { at } = await listen(server);
  const access: Api = { server: `https://${at}`, ca: ca.cert, cert: pair.cert, key: pair.key };
  return { access, requests };
}

test.each([201, 409])('passes when the account is created or exists already: %i', async (status) => {
  const { access, requests } = await api(() => ({ status }));
  await pass(ensureDefaultServiceAccount(access));
  expect(requests).toEqual([
    {
      url: '/api/v1/namespaces/default/serviceaccounts',
      type: 'application/json',
      body: { apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name: 'default' } },
    },
  ]);
});

test('fails with the reason of the API when the account cannot be created yet', async () => {
  const { access } = await api(() => ({ status: 404 }));
  expect(await reason(ensureDefaultServiceAccount(access))).toMatch(
    /^HTTP 404 Not Found from .*: the reason of 404$/,
  );
});

test('sets the pod range of the node', async () => {
  const { access, requests } = await api(() => ({ status: 200 }));
  await pass(setPodCidr(access, 'node1', '10.1.0.0/24'));
  expect(requests.map(({ url, body }) => [url, body])).toEqual([
    ['/api/v1/nodes/node1', { spec: { podCIDR: '10.1.0.0/24', podCIDRs: ['10.1.0.0/24'] } }],
  ]);
});

const notReady = { key: 'node.kubernetes.io/not-ready', effect: 'NoSchedule' };
const others = [
  { key: 'mine', value: 'yes', effect: 'NoSchedule' },
  { key: 'node.kubernetes.io/unreachable', effect: 'NoExecute', timeAdded: '2026-01-01T00:00:00Z' },
];

test.each([{}, { spec: {} }, { spec: { taints: others } }])(
  'does not change a node without the taint: %j',
  async (body) => {
    const { access, requests } = await api(() => ({ status: 200, body }));
    await pass(removeNotReadyTaint(access, 'node1'));
    expect(requests).toEqual([]);
  },
);

test('removes only those taints, provided that the taints have not changed since', async () => {
  const taints = [others[0], notReady, others[1], { ...notReady, effect: 'NoExecute' }];
  const { access, requests } = await api(() => ({ status: 200, body: { spec: { taints } } }));
  await pass(removeNotReadyTaint(access, 'node1'));
  expect(requests).toEqual([
    {
      url: '/api/v1/nodes/node1',
      type: 'application/json-patch+json',
      body: [
        { op: 'test', path: '/spec/taints', value: taints },
        { op: 'replace', path: '/spec/taints', value: others },
      ],
    },
  ]);
});

test('fails when the taints have changed since', async () => {
  const { access } = await api((method) =>
    method === 'GET' ? { status: 200, body: { spec: { taints: [notReady] } } } : { status: 422 },
  );
  expect(await reason(removeNotReadyTaint(access, 'node1'))).toContain('HTTP 422 Unprocessable Entity');
});
