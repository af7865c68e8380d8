import { readFileSync } from 'node:fs';
import { TLSSocket } from 'node:tls';
import { createServer } from 'node:https';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Api } from '../../../probes/kinds/api.ts';
import { nodeReady } from '../../../probes/kinds/nodeReady.ts';
import { serviceAccount } from '../../../probes/kinds/serviceAccount.ts';
import { authority, type Authority, type Pair } from '../../fixtures/probes/certificates.ts';
import { pass, reason } from '../../fixtures/probes/looks.ts';
import { listen } from '../../fixtures/probes/servers.ts';

let ca: Authority;
let server: Pair;
let admin: Pair;

beforeAll(() => {
  ca = authority();
  server = ca.leaf('server');
  admin = ca.leaf('admin', { san: 'DNS:admin' });
});
afterAll(() => ca.remove());

/** An API that knows these objects by path, for whoever shows a certificate of our CA. */
async function api(objects: Record<string, unknown>): Promise<Api> {
  const options = {
    cert: readFileSync(server.cert),
    key: readFileSync(server.key),
    ca: readFileSync(ca.cert),
  };
  const made = createServer(
    { ...options, requestCert: true, rejectUnauthorized: false },
    (request, response) => {
      const known = request.socket instanceof TLSSocket && request.socket.authorized;
      const object = objects[request.url ?? ''];
      const status = known ? (object === undefined ? 404 : 200) : 401;
      const refusal = { kind: 'Status', message: status === 404 ? 'not found' : 'Unauthorized' };
      response
        .writeHead(status)
        .end(typeof object === 'string' ? object : JSON.stringify(status === 200 ? object : refusal));
    },
  );
  const { at } = await listen(made);
  return { server: `https://${at}`, ca: ca.cert, cert: admin.cert, key: admin.key };
}

const node = (...conditions: unknown[]) => ({
  '/api/v1/nodes/box': { kind: 'Node', status: { conditions } },
});
const pressure = { type: 'MemoryPressure', status: 'False', reason: 'KubeletHasSufficientMemory' };

describe('nodeReady', () => {
  const ready = {
    type: 'Ready',
    status: 'True',
    reason: 'KubeletReady',
    message: 'kubelet is posting ready status',
  };

  test('passes when the condition of type Ready is True, wherever it stands', async () => {
    await pass(nodeReady({ ...(await api(node(pressure, ready))), node: 'box' }));
    await pass(nodeReady({ ...(await api(node(ready, pressure))), node: 'box' }));
  });

  test("the reason is the kubelet's", async () => {
    const message = 'container runtime network not ready: NetworkReady=false';
    const not = { type: 'Ready', status: 'False', reason: 'KubeletNotReady', message };
    expect(await reason(nodeReady({ ...(await api(node(pressure, not))), node: 'box' }))).toBe(
      `KubeletNotReady: ${message}`,
    );
    const unknown = { type: 'Ready', status: 'Unknown' };
    expect(await reason(nodeReady({ ...(await api(node(unknown))), node: 'box' }))).toBe(
      'node box is not ready',
    );
  });

  test('a node that is not registered, or has not spoken', async () => {
    expect(await reason(nodeReady({ ...(await api({})), node: 'box' }))).toBe(
      'node box is not registered yet',
    );
    for (const object of [node(), node(pressure), { '/api/v1/nodes/box': {} }, { '/api/v1/nodes/box': [] }]) {
      expect(await reason(nodeReady({ ...(await api(object)), node: 'box' }))).toBe(
        'node box has not said yet whether it is ready',
      );
    }
  });

  test('a Node object of more than 64 KiB', async () => {
    const images = Array.from({ length: 2000 }, (_, index) => ({
      names: [`image-${index}-${'x'.repeat(50)}`],
    }));
    const big = { '/api/v1/nodes/box': { images, status: { conditions: [ready] } } };
    await pass(nodeReady({ ...(await api(big)), node: 'box' }));
  });

  test("an answer that is not the API's", async () => {
    const made = await api({ '/api/v1/nodes/box': '<html>' });
    expect(await reason(nodeReady({ ...made, node: 'box' }))).toBe(
      `the answer of ${made.server}/api/v1/nodes/box is not JSON`,
    );
  });

  test('a client the API does not know', async () => {
    const made = await api(node(ready));
    const other = authority();
    try {
      const { cert, key } = other.leaf('stranger');
      expect(await reason(nodeReady({ ...made, cert, key, node: 'box' }))).toBe(
        `HTTP 401 Unauthorized from ${made.server}/api/v1/nodes/box: Unauthorized: is ${cert} signed by a CA it trusts?`,
      );
    } finally {
      other.remove();
    }
  });
});

describe('serviceAccount', () => {
  const path = '/api/v1/namespaces/default/serviceaccounts/default';

  test('passes when it exists', async () => {
    await pass(serviceAccount(await api({ [path]: { kind: 'ServiceAccount' } })));
    expect(await reason(serviceAccount(await api({})))).toBe(
      'ServiceAccount default/default does not exist yet: kube-controller-manager creates it',
    );
  });

  test('another one', async () => {
    const made = await api({ '/api/v1/namespaces/ci/serviceaccounts/robot': {} });
    await pass(serviceAccount({ ...made, namespace: 'ci', name: 'robot' }));
    expect(await reason(serviceAccount({ ...made, namespace: 'ci' }))).toContain('ServiceAccount ci/default');
  });

  test('with a token, when asked for', async () => {
    const without = await api({ [path]: { secrets: [] } });
    expect(await reason(serviceAccount({ ...without, token: true }))).toBe(
      'ServiceAccount default/default has no token yet',
    );
    await pass(serviceAccount({ ...(await api({ [path]: { secrets: [{ name: 'x' }] } })), token: true }));
  });
});
