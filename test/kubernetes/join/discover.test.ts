import { X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:https';
import type { Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { discover } from '../../../src/kubernetes/join/discover.ts';
import { pinOf } from '../../../src/kubernetes/join/pin.ts';
import type { Pin } from '../../../src/kubernetes/join/pin.ts';
import { madePki } from '../../support/pki.ts';

let server: Server;
let url: string;
let pin: Pin;
let requests: string[];
/** The answers by path; else 404. */
let answers: Record<string, readonly [status: number, body: object]>;
/** How far the clock of the server is ahead, in ms. */
let aheadMs: number;

const configMap = '/api/v1/namespaces/kube-system/configmaps/k8s-single';
const cluster = {
  kubernetes: '1.20.2',
  clusterCidr: '10.244.0.0/16',
  serviceCidr: '10.0.0.0/24',
  dnsIp: '10.0.0.10',
  clusterDomain: 'cluster.local',
};

const tokenOf = (own: Pin) => ({ id: 'abcdef', secret: '0123456789abcdef', pin: own });

beforeEach(async () => {
  const { pki } = await madePki({ nodeIp: '127.0.0.1' });
  const { ca, apiserver } = pki;
  const [cert, key, authority] = [apiserver.cert, apiserver.key, ca.cert].map((file) =>
    readFileSync(file, 'utf8'),
  );
  pin = pinOf(new X509Certificate(authority!));
  requests = [];
  aheadMs = 0;
  answers = { [configMap]: [200, { data: { 'cluster.json': JSON.stringify(cluster) } }] };
  server = createServer({ cert: `${cert}${authority}`, key }, (request, response) => {
    requests.push(`${request.headers.authorization} ${request.url}`);
    const [status, body] = answers[request.url ?? ''] ?? [404, {}];
    response.setHeader('date', new Date(Date.now() + aheadMs).toUTCString());
    response.writeHead(status).end(JSON.stringify(body));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  url = `https://127.0.0.1:${(server.address() as AddressInfo).port}`;
});

afterEach(() => {
  server.closeAllConnections();
  server.close();
});

it('a cluster is discovered by the pin of its CA, which the server sends', async () => {
  const found = await discover(url, tokenOf(pin), 'worker');
  expect(found).toMatchObject({ server: url, cluster });
  expect(pinOf(new X509Certificate(found.ca))).toBe(pin);
  expect(requests).toEqual([
    `Bearer abcdef.0123456789abcdef ${configMap}`,
    'Bearer abcdef.0123456789abcdef /api/v1/nodes/worker',
  ]);
});

it('a server with another CA gets nothing: no request, and no token', async () => {
  const other: Pin = `sha256:${'0'.repeat(64)}`;
  await expect(discover(url, tokenOf(other), 'worker')).rejects.toMatchObject({
    code: 'preflight',
    message: `${url} is not the cluster of the token: its CA is ${pin}, not ${other}; nothing was sent to it`,
  });
  expect(requests).toEqual([]);
});

it('a server whose certificate is for another host gets nothing, although its CA has the pin', async () => {
  await expect(discover(url.replace('127.0.0.1', '127.0.0.2'), tokenOf(pin), 'w')).rejects.toThrow(
    'cannot be reached',
  );
  const { port } = new URL(url);
  server.close();
  server.closeAllConnections();
  await new Promise<void>((resolve) => server.listen(Number(port), '127.0.0.2', resolve));
  await expect(discover(`https://127.0.0.2:${port}`, tokenOf(pin), 'w')).rejects.toThrow(
    "IP: 127.0.0.2 is not in the cert's list",
  );
  expect(requests).toEqual([]);
});

it('says that a token is refused, what a server does not tell, and that a name is taken', async () => {
  answers[configMap] = [401, { message: 'Unauthorized' }];
  await expect(discover(url, tokenOf(pin), 'worker')).rejects.toThrow(
    'refuses the token abcdef: it is unknown there, or has expired',
  );
  answers[configMap] = [403, { message: 'configmaps "k8s-single" is forbidden' }];
  await expect(discover(url, tokenOf(pin), 'worker')).rejects.toThrow(
    'HTTP 403: configmaps "k8s-single" is forbidden',
  );
  answers[configMap] = [200, { data: { 'cluster.json': '{"clusterCidr":"$(reboot)"}' } }];
  await expect(discover(url, tokenOf(pin), 'worker')).rejects.toThrow('does not describe its cluster');
  answers[configMap] = [200, { data: { 'cluster.json': JSON.stringify(cluster) } }];
  answers['/api/v1/nodes/worker'] = [200, {}];
  await expect(discover(url, tokenOf(pin), 'worker')).rejects.toThrow(
    'the cluster has a node worker already',
  );
});

it.each([
  [2 * 3_600_000, /^the clock of this machine is 2h behind that of https:/],
  [-6 * 60_000, /^the clock of this machine is 6m\S* ahead of that of https:/],
])('clocks that are %d ms apart are refused', async (ms, message) => {
  aheadMs = ms;
  await expect(discover(url, tokenOf(pin), 'worker')).rejects.toThrow(message);
  aheadMs = 4 * 60_000;
  expect(await discover(url, tokenOf(pin), 'worker')).toMatchObject({ cluster });
});
