import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { connect, createServer } from 'node:net';
import type { Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { JsonConnection } from '../../src/pool/connection.ts';

let folder = '';
let path = '';
const server = createServer();

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'k8s-single-'));
  path = join(folder, 'socket');
  server.listen(path);
  await once(server, 'listening');
});

afterAll(async () => {
  const closed = once(server, 'close');
  server.close();
  await closed;
  await rm(folder, { recursive: true });
});

async function connected(): Promise<{ readonly near: Socket; readonly far: Socket }> {
  const accepted = once(server, 'connection');
  const near = connect(path);
  const [far] = (await accepted) as [Socket];
  return { near, far };
}

test('receives what was sent before the other side has closed it, and then nothing', async () => {
  const { near, far } = await connected();
  const connection = new JsonConnection(near);
  far.end('{"a":1}\n{"b":2}\n');
  expect(await connection.receive()).toEqual({ a: 1 });
  expect(await connection.receive()).toEqual({ b: 2 });
  expect(await connection.receive()).toBeUndefined();
  connection[Symbol.dispose]();
});

test('whoever waits hears that this side has destroyed the socket', async () => {
  const { near, far } = await connected();
  const connection = new JsonConnection(near);
  const received = connection.receive();
  near.destroy();
  expect(await received).toBeUndefined();
  far.destroy();
});

test('does not wait for an answer for longer than it is told to', async () => {
  const { near, far } = await connected();
  using connection = new JsonConnection(near);
  expect(await connection.receive(20)).toBeUndefined();
  far.destroy();
});
