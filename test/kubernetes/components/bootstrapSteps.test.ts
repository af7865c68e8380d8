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
import { pass, reason } from '../../fixtures/probes/looks.ts';
import { listen } from '../../fixtures/probes/servers.ts';

let ca: Authority;
let pair: Pair;

beforeAll(() => {
  ca = authority();
  pair = ca.leaf('server');
});
afterAll(() => ca.remove());

/** An API that answers like this, and what it was asked to change. */
async function api(answer: (method: string) => { status: number; body?: object }) {
  const asked: { url: string; type: string; body: unknown }[] = [];
  const handle = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const { method = '', url = '', headers } = request;
    const body = await text(request);
    if (method !== 'GET') asked.push({ url, type: headers['content-type'] ?? '', body: JSON.parse(body) });
    const { status, body: said } = answer(method);
    response.writeHead(status).end(JSON.stringify(said ?? { kind: 'Status', message: `it says ${status}` }));
  };
  const tls = { cert: readFileSync(pair.cert), key: readFileSync(pair.key) };
  const server = createServer(tls, (request, response) => void handle(request, response));
  const { at } = await listen(server);
  const access: Api = { server: `https://${at}`, ca: ca.cert, cert: pair.cert, key: pair.key };
  return { access, asked };
}

test.each([201, 409])('an account that is made, or there already, is there: %i', async (status) => {
  const { access, asked } = await api(() => ({ status }));
  await pass(ensureDefaultServiceAccount(access));
  expect(asked).toEqual([
    {
      url: '/api/v1/namespaces/default/serviceaccounts',
      type: 'application/json',
      body: { apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name: 'default' } },
    },
  ]);
});

test('an account that cannot be made yet is a miss with what the API says', async () => {
  const { access } = await api(() => ({ status: 404 }));
  expect(await reason(ensureDefaultServiceAccount(access))).toMatch(
    /^HTTP 404 Not Found from .*: it says 404$/,
  );
});

test('the range is given to the node', async () => {
  const { access, asked } = await api(() => ({ status: 200 }));
  await pass(setPodCidr(access, 'box', '10.1.0.0/24'));
  expect(asked.map(({ url, body }) => [url, body])).toEqual([
    ['/api/v1/nodes/box', { spec: { podCIDR: '10.1.0.0/24', podCIDRs: ['10.1.0.0/24'] } }],
  ]);
});

const notReady = { key: 'node.kubernetes.io/not-ready', effect: 'NoSchedule' };
const others = [
  { key: 'mine', value: 'yes', effect: 'NoSchedule' },
  { key: 'node.kubernetes.io/not-ready', effect: 'NoExecute', timeAdded: '2026-01-01T00:00:00Z' },
];

test.each([{}, { spec: {} }, { spec: { taints: others } }])(
  'a node without the taint is left as it is: %j',
  async (body) => {
    const { access, asked } = await api(() => ({ status: 200, body }));
    await pass(removeNotReadyTaint(access, 'box'));
    expect(asked).toEqual([]);
  },
);

test('of the taints that one goes, unless they have changed meanwhile', async () => {
  const taints = [others[0], notReady, others[1]];
  const { access, asked } = await api(() => ({ status: 200, body: { spec: { taints } } }));
  await pass(removeNotReadyTaint(access, 'box'));
  expect(asked).toEqual([
    {
      url: '/api/v1/nodes/box',
      type: 'application/json-patch+json',
      body: [
        { op: 'test', path: '/spec/taints', value: taints },
        { op: 'replace', path: '/spec/taints', value: others },
      ],
    },
  ]);
});

test('taints that have changed meanwhile are a miss: the next look sees them', async () => {
  const { access } = await api((method) =>
    method === 'GET' ? { status: 200, body: { spec: { taints: [notReady] } } } : { status: 422 },
  );
  expect(await reason(removeNotReadyTaint(access, 'box'))).toContain('HTTP 422 Unprocessable Entity');
});
