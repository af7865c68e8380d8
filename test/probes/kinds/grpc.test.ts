import { createServer } from 'node:net';
import { describe, expect, test } from 'vitest';
import { grpcHealth } from '../../../probes/kinds/grpc.ts';
import { probeOnce } from '../../../probes/probeOnce.ts';
import { grpcServer, type GrpcResponse } from '../../fixtures/probes/grpcServer.ts';
import { pass, reason } from '../../fixtures/probes/attempts.ts';
import { answering, closedPort, folder, listen } from '../../fixtures/probes/servers.ts';

const check = '/grpc.health.v1.Health/Check';
const serving = Buffer.from([0x08, 0x01]);
const health = (answer: (service: string) => GrpcResponse, where?: string | number) =>
  grpcServer({ [check]: (request) => answer(request.subarray(2).toString()) }, where);

describe('grpcHealth', () => {
  test('passes when the server is SERVING, over one connection', async () => {
    const { at, sockets, called } = await health(() => serving);
    const probe = grpcHealth(at);
    await pass(probe);
    await pass(probe);
    expect(called).toEqual([check, check]);
    expect(sockets).toHaveLength(1);
  });

  test('checks one service by name, over a unix socket', async () => {
    const path = `${folder()}/s`;
    expect(await reason(grpcHealth(path))).toBe(`there is no socket ${path}`);
    await health(
      (service) => (service === 'db' ? serving : { status: 5, message: `unknown: ${service} 50%` }),
      path,
    );
    for (const target of [path, `unix:${path}`, `unix://${path}`]) await pass(grpcHealth(target, 'db'));
    expect(await reason(grpcHealth(path, 'x'))).toBe(`${path} answers: unknown: x 50%`);
  });

  test.each([
    [[], 'UNKNOWN'],
    [[0x08, 0x02], 'NOT_SERVING'],
    [[0x08, 0x03], 'SERVICE_UNKNOWN'],
    [[0x08, 0x09], '9'],
  ])('any other status is the reason: %j', async (answer, name) => {
    const { at } = await health(() => Buffer.from(answer));
    expect(await reason(grpcHealth(at))).toBe(`${at} says ${name}`);
    expect(await reason(grpcHealth(at, 'db'))).toBe(`db says ${name}`);
  });

  test('a server without the health service', async () => {
    const { at } = await grpcServer({});
    expect(await reason(grpcHealth(at))).toBe(
      `${at} does not offer grpc.health.v1: unknown service grpc.health.v1.Health`,
    );
  });

  test('a response that is not protobuf', async () => {
    const { at } = await health(() => Buffer.from([0xff, 0xff]));
    expect(await reason(grpcHealth(at))).toBe('not a protobuf message');
  });

  test('a response that is too long', async () => {
    const { at } = await health(() => Buffer.alloc(100_000));
    expect(await reason(grpcHealth(at))).toBe(`${at}: an answer of more than 65536 bytes to ${check}`);
  });
});

describe('the connection', () => {
  test('refused', async () => {
    const port = await closedPort();
    expect(await reason(grpcHealth(`127.0.0.1:${port}`))).toBe(`connection refused on 127.0.0.1:${port}`);
  });

  test('to something that does not speak gRPC', async () => {
    const { at } = await answering(200, 'hello');
    expect(await reason(grpcHealth(at))).toBe(`${at} does not speak gRPC, or closed the connection`);
  });

  test('that is closed, or without a response', async () => {
    const closing = await listen(createServer((socket) => socket.once('data', () => socket.destroy())));
    expect(await reason(grpcHealth(closing.at))).toContain(closing.at);
    const silent = await listen(createServer());
    expect(await reason(grpcHealth(silent.at), 100)).toBe('no answer within 100 ms');
  });

  test('is made again when the server is back', async () => {
    const first = await health(() => serving);
    const probe = grpcHealth(first.at);
    await pass(probe);
    await first.close();
    expect(await reason(probe)).toContain(first.at);
    await health(() => serving, first.port);
    await pass(probe);
  });

  test('survives a call that hangs, and an abort during a call', async () => {
    let hangs = true;
    let stop: AbortController | undefined;
    const { at } = await health(() => {
      stop?.abort('over');
      return hangs ? 'hang' : serving;
    });
    const probe = grpcHealth(at);
    expect(await reason(probe, 200)).toBe('no answer within 200 ms');
    stop = new AbortController();
    await expect(probeOnce(probe, 60_000, stop.signal)).rejects.toBe('over');
    hangs = false;
    await pass(probe);
  });
});

test('an aborted signal: no connection', async () => {
  const { at, sockets } = await health(() => serving);
  await expect(grpcHealth(at)(AbortSignal.abort('over'))).rejects.toBe('over');
  expect(sockets).toHaveLength(0);
});

test('the connection keeps the process awake during a call, and never between two', async () => {
  const awake = () => process.getActiveResourcesInfo().filter((name) => name === 'PipeWrap').length;
  let during = 0;
  const path = `${folder()}/s`;
  await health(() => {
    during = awake();
    return serving;
  }, path);
  const probe = grpcHealth(path);
  await pass(probe);
  const between = awake();
  await pass(probe);
  expect(during).toBe(between + 1);
  expect(awake()).toBe(between);
});

test.each(['', 'relative/path', 'http://127.0.0.1:1', '127.0.0.1', '127.0.0.1:70000', 'unix:relative'])(
  'an invalid target is refused before any attempt: %j',
  (target) => {
    expect(() => grpcHealth(target)).toThrow(
      new Error(`not a gRPC target: ${target} (unix:///path, /path or host:port)`),
    );
  },
);
