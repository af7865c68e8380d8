import { readFileSync } from 'node:fs';
import { TLSSocket } from 'node:tls';
import { createServer } from 'node:https';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Api } from '../../../probes/kinds/api.ts';
import { NodeNotReady, nodeReady } from '../../../probes/kinds/nodeReady.ts';
import { Unhealthy } from '../../../probes/probe.ts';
import { authority, type Authority, type Pair } from '../../fixtures/probes/certificates.ts';
import { pass, reason } from '../../fixtures/probes/attempts.ts';
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

/** An API server with these objects by path, for clients with a certificate of our CA. */
async function api(objects: Record<string, unknown>): Promise<Api> {
  const options = {
    cert: readFileSync(server.cert),
    key: readFileSync(server.key),
    ca: readFileSync(ca.cert),
  };
  const httpsServer = createServer(
    { ...options, requestCert: true, rejectUnauthorized: false },
    (request, response) => {
      const isAuthorized = request.socket instanceof TLSSocket && request.socket.authorized;
      const object = objects[request.url ?? ''];
      const status = isAuthorized ? (object === undefined ? 404 : 200) : 401;
      const refusal = { kind: 'Status', message: status === 404 ? 'not found' : 'Unauthorized' };
      response
        .writeHead(status)
        .end(typeof object === 'string' ? object : JSON.stringify(status === 200 ? object : refusal));
    },
  );
  const { at } = await listen(httpsServer);
  return { server: `https://${at}`, ca: ca.cert, cert: admin.cert, key: admin.key };
}

const node = (...conditions: unknown[]) => ({
  '/api/v1/nodes/node-1': { kind: 'Node', status: { conditions } },
});
const pressure = { type: 'MemoryPressure', status: 'False', reason: 'KubeletHasSufficientMemory' };

describe('nodeReady', () => {
  const ready = {
    type: 'Ready',
    status: 'True',
    reason: 'KubeletReady',
    message: 'kubelet is posting ready status',
  };

  test('passes when the condition of type Ready is True, in any position', async () => {
    await pass(nodeReady({ ...(await api(node(pressure, ready))), node: 'node-1' }));
    await pass(nodeReady({ ...(await api(node(ready, pressure))), node: 'node-1' }));
  });

  test('the reason is that of the kubelet', async () => {
    const message = 'container runtime network not ready: NetworkReady=false';
    const not = { type: 'Ready', status: 'False', reason: 'KubeletNotReady', message };
    expect(await reason(nodeReady({ ...(await api(node(pressure, not))), node: 'node-1' }))).toBe(
      `KubeletNotReady: ${message}`,
    );
    const unknown = { type: 'Ready', status: 'Unknown' };
    expect(await reason(nodeReady({ ...(await api(node(unknown))), node: 'node-1' }))).toBe(
      'node node-1 is not ready',
    );
  });

  test('a report from an earlier life of the kubelet does not count, if that is asked for', async () => {
    const startedAt = Date.parse('2026-11-29T12:00:05.700Z');
    const probe = async (lastHeartbeatTime: string) =>
      nodeReady({
        ...(await api(node({ ...ready, lastHeartbeatTime }))),
        node: 'node-1',
        reportedSince: () => startedAt,
      });
    expect(await reason(await probe('2026-11-29T12:00:04Z'))).toBe(
      'the kubelet of node node-1 has not reported since it was started',
    );
    await pass(await probe('2026-11-29T12:00:05Z'));
  });

  test.for(['DiskPressure', 'MemoryPressure', 'PIDPressure'])('a node with %s is not ready', async (type) => {
    const short = { type, status: 'True', message: 'kubelet has pressure' };
    const probe = nodeReady({ ...(await api(node(ready, short))), node: 'node-1' });
    expect(await reason(probe)).toBe(`${type}: kubelet has pressure`);
    await expect(probe(new AbortController().signal)).rejects.toBeInstanceOf(NodeNotReady);
  });

  test('a client that is refused says nothing of the node', async () => {
    const stranger = authority();
    const probe = nodeReady({ ...(await api({})), ca: stranger.cert, node: 'node-1' });
    const error = await probe(new AbortController().signal).catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(Unhealthy);
    expect(error).not.toBeInstanceOf(NodeNotReady);
    stranger.remove();
  });

  test('a node that is not registered, or has no condition yet', async () => {
    expect(await reason(nodeReady({ ...(await api({})), node: 'node-1' }))).toBe(
      'node node-1 is not registered yet',
    );
    for (const object of [
      node(),
      node(pressure),
      { '/api/v1/nodes/node-1': {} },
      { '/api/v1/nodes/node-1': [] },
    ]) {
      expect(await reason(nodeReady({ ...(await api(object)), node: 'node-1' }))).toBe(
        'node node-1 has not reported whether it is ready',
      );
    }
  });

  test('a Node object of more than 64 KiB', async () => {
    const images = Array.from({ length: 2000 }, (_, index) => ({
      names: [`image-${index}-${'x'.repeat(50)}`],
    }));
    const big = { '/api/v1/nodes/node-1': { images, status: { conditions: [ready] } } };
    await pass(nodeReady({ ...(await api(big)), node: 'node-1' }));
  });

  test('a response that is not JSON', async () => {
    const apiServer = await api({ '/api/v1/nodes/node-1': '<html>' });
    expect(await reason(nodeReady({ ...apiServer, node: 'node-1' }))).toBe(
      `the answer of ${apiServer.server}/api/v1/nodes/node-1 is not JSON`,
    );
  });

  test('a client that is not authorized', async () => {
    const apiServer = await api(node(ready));
    const other = authority();
    try {
      const { cert, key } = other.leaf('stranger');
      expect(await reason(nodeReady({ ...apiServer, cert, key, node: 'node-1' }))).toBe(
        `HTTP 401 Unauthorized from ${apiServer.server}/api/v1/nodes/node-1: Unauthorized: is ${cert} signed by a CA it trusts?`,
      );
    } finally {
      other.remove();
    }
  });
});
