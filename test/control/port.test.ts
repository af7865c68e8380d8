import { once } from 'node:events';
import { request } from 'node:http';
import type { IncomingMessage } from 'node:http';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { servePort } from '../../src/control/port.ts';
import type { ServedPort } from '../../src/control/port.ts';
import { FakeNode } from './fakeNode.ts';

let node: FakeNode;
let port: ServedPort;

beforeEach(async () => {
  const listening = createServer().listen(0, '127.0.0.1');
  await once(listening, 'listening');
  node = new FakeNode();
  port = await servePort(listening, node, { '/': () => ({ type: 'text/html', body: '<p>hello</p>' }) });
});

afterEach(async () => port.close());

async function send(
  path: string,
  options: { method?: string; host?: string; headers?: Record<string, string> } = {},
): Promise<IncomingMessage> {
  const { method = 'GET', host, headers } = options;
  const { hostname, port: number } = new URL(port.url);
  const outgoing = request({
    hostname,
    port: number,
    method,
    path,
    agent: false,
    headers: { ...headers, ...(host !== undefined && { host }) },
  });
  outgoing.end();
  const [response] = (await once(outgoing, 'response')) as [IncomingMessage];
  return response;
}

describe('the port', () => {
  it.each([
    ['/', '<p>hello</p>'],
    ['/healthz', 'ok\n'],
    ['/metrics', 'up 1\n'],
    ['/v1/status', '{"version":1,"ready":false}\n'],
    ['/v1/logs?component=etcd', '{"component":"etcd","at":5,"level":"info","text":"a line\\nof two"}\n'],
  ])('serves %s', async (path, body) => {
    const response = await send(path);
    expect([response.statusCode, await text(response)]).toEqual([200, body]);
  });

  it('returns 503 while the node is not ready', async () => {
    const response = await send('/readyz');
    expect([response.statusCode, await text(response)]).toEqual([
      503,
      'etcd: starting\nkube apiserver: waiting for etcd\n',
    ]);
  });

  it.each([
    ['POST', '/v1/down', 404],
    ['POST', '/v1/restart/etcd', 404],
    ['POST', '/v1/stop/etcd', 404],
    ['POST', '/v1/start/etcd', 404],
    ['POST', '/', 405],
    ['POST', '/metrics', 405],
    ['DELETE', '/', 405],
    ['GET', '/v1/down', 404],
    ['GET', '/v1/snapshot', 404],
    ['GET', '/nothing', 404],
    ['GET', '/../../etc/passwd', 404],
  ])('has no actions: %s %s returns %i', async (method, path, status) => {
    const response = await send(path, { method });
    expect(response.statusCode).toBe(status);
    expect(JSON.parse(await text(response))).toMatchObject({ error: { code: 'usage' } });
    expect(node.requests).toEqual([]);
  });

  it.each([
    'evil.example',
    'evil.example:9990',
    '127.0.0.1.evil.example',
    'localhost.evil.example:80',
    '192.168.0.1',
    '[::2]',
  ])('rejects the host "%s"', async (host) => {
    for (const path of ['/', '/v1/events', '/healthz', '/nothing']) {
      const response = await send(path, { host });
      expect([response.statusCode, await text(response)]).toEqual([
        421,
        expect.stringContaining('is not this machine'),
      ]);
    }
  });

  it.each(['localhost', 'LocalHost:9990', '127.0.0.1', '127.0.0.1:1', '[::1]:9990'])(
    'accepts the host %s',
    async (host) => {
      expect((await send('/', { host })).statusCode).toBe(200);
    },
  );

  // What browsers send, by Fetch Metadata.
  const from = (site: string, mode: string, dest: string) => {
    return { 'sec-fetch-site': site, 'sec-fetch-mode': mode, 'sec-fetch-dest': dest };
  };
  it.each([
    ['a script of another site', from('cross-site', 'no-cors', 'script')],
    ['a request of another site', from('cross-site', 'cors', 'empty')],
    ['a frame of another site', from('cross-site', 'navigate', 'iframe')],
    ['a page on another port of this machine', from('same-site', 'cors', 'empty')],
    ['an old browser', { origin: 'https://evil.example' }],
    ['a page without an origin', { origin: 'null' }],
  ])('refuses %s', async (_, headers) => {
    for (const path of ['/', '/v1/logs', '/v1/events', '/live.js']) {
      const response = await send(path, { headers });
      expect([response.statusCode, await text(response)]).toEqual([
        403,
        expect.stringContaining('a page of another site may not load this'),
      ]);
    }
  });

  it.each([
    ['its own page', from('same-origin', 'cors', 'empty')],
    ['an address that was typed', from('none', 'navigate', 'document')],
    ['a link of another site', from('cross-site', 'navigate', 'document')],
    ['a program', {}],
  ])('serves %s', async (_, headers) => {
    expect((await send('/', { headers })).statusCode).toBe(200);
  });

  it('lets a browser load only its own files, and forbids framing', async () => {
    for (const path of ['/', '/healthz', '/nothing']) {
      const { headers } = await send(path);
      expect(headers['content-security-policy']).toBe(
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; " +
          "base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
      );
      expect(headers).toMatchObject({
        'x-content-type-options': 'nosniff',
        'referrer-policy': 'no-referrer',
        'cross-origin-resource-policy': 'same-origin',
      });
      expect(headers).not.toHaveProperty('access-control-allow-origin');
    }
  });

  it('ends the streams when it is closed, and frees the port', async () => {
    const { port: number } = new URL(port.url);
    const events = await send('/v1/events');
    const logs = await send('/v1/logs?follow=1');
    const ended = Promise.all([text(events), text(logs)]);
    await port.close();
    await ended;
    const next = createServer().listen(Number(number), '127.0.0.1');
    await once(next, 'listening');
    expect((next.address() as AddressInfo).port).toBe(Number(number));
    port = await servePort(next, node, {});
  });
});
