import { once } from 'node:events';
import { request } from 'node:http';
import { connect } from 'node:net';
import { text } from 'node:stream/consumers';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { client } from '../../src/control/client.ts';
import { serving } from './serving.ts';
import type { Serving } from './serving.ts';

let served: Serving;

beforeEach(async () => {
  served = await serving();
});

afterEach(() => served[Symbol.asyncDispose]());

/** The response to these bytes. */
async function raw(bytes: string): Promise<string> {
  const socket = connect(served.path);
  socket.write(bytes);
  return text(socket);
}

async function http(method: string, target: string): Promise<{ status: number | undefined; body: string }> {
  const outgoing = request({ socketPath: served.path, method, path: target });
  outgoing.end();
  const [response] = await once(outgoing, 'response');
  return { status: response.statusCode, body: await text(response) };
}

describe('requests', () => {
  it('return the state of the node', async () => {
    const running = client<{ ready: boolean }>(served.path);
    expect(await running.status()).toEqual({ version: 1, ready: false });
    expect(await running.notReady()).toEqual(['etcd: starting', 'kube apiserver: waiting for etcd']);
    expect(await http('GET', '/metrics')).toEqual({ status: 200, body: 'up 1\n' });
    expect(await http('GET', '/healthz')).toEqual({ status: 200, body: 'ok\n' });
    served.node.ready = true;
    expect(await running.notReady()).toEqual([]);
  });

  it('act on components of any name', async () => {
    await client(served.path).restart('kube apiserver', { cascade: true });
    await client(served.path).restart('etcd');
    expect(served.node.requests).toEqual(['restart kube apiserver cascade', 'restart etcd']);
  });

  it('carry the reason and the hint when they fail', async () => {
    await expect(client(served.path).start('etcd')).rejects.toMatchObject({
      code: 'preflight',
      message: 'etcd is running',
      hint: 'stop it first',
    });
    await expect(client(served.path).stop('etcd')).rejects.toThrow('a bug in etcd');
    await expect(client(served.path).restart('nobody')).rejects.toMatchObject({
      code: 'usage',
      message: 'there is no component "nobody"',
      hint: 'the components are: etcd, kube apiserver',
    });
  });

  it.each([
    ['GET', '/nothing', 404],
    ['GET', '/v1/down', 405],
    ['GET', '/v1/restart/etcd', 405],
    ['POST', '/v1/status', 405],
    ['DELETE', '/v1/status', 405],
    ['POST', '/v1/restart/', 404],
    ['POST', '/v1/restart/%', 400],
    ['GET', '/v1/logs?tail=-1', 400],
    ['GET', '/v1/logs?component=nobody', 404],
    ['GET', '//x', 404],
  ])('%s %s returns %i with an error in JSON', async (method, target, status) => {
    const response = await http(method, target);
    expect(response.status).toBe(status);
    expect(JSON.parse(response.body)).toMatchObject({ error: { code: 'usage' } });
    expect(served.node.requests).toEqual([]);
  });

  it('that are not HTTP get an error', async () => {
    expect(await raw('hello\r\n\r\n')).toMatch(/^HTTP\/1\.1 400 .*"code":"usage"/s);
    expect(await client(served.path).status()).toMatchObject({ version: 1 });
  });
});
