import { describe, expect, test } from 'vitest';
import { kinds, parseProbe } from '../../../probes/kinds/parseProbe.ts';
import { grpcServer } from '../../fixtures/probes/grpcServer.ts';
import { pass, reason } from '../../fixtures/probes/attempts.ts';
import { answering, closedPort } from '../../fixtures/probes/servers.ts';

test.each(Object.entries(kinds))('the example of %s can be parsed', (kind, { example, summary }) => {
  expect(parseProbe(kind, example)).toBeTypeOf('function');
  expect(summary).toMatch(/^[^.]{10,60}$/);
});

describe('a target is parsed', () => {
  test('http, tcp, etcd, grpc', async () => {
    const { url, at, port } = await answering(200, '{"health":"true"}');
    await pass(parseProbe('http', url));
    await pass(parseProbe('etcd', url));
    await pass(parseProbe('tcp', at));
    await pass(parseProbe('tcp', String(port)));
    const grpc = await grpcServer({ '/grpc.health.v1.Health/Check': () => Buffer.from([0x08, 0x01]) });
    await pass(parseProbe('grpc', grpc.at));
  });

  test('tcp of an IPv6 address', async () => {
    const port = await closedPort();
    expect(await reason(parseProbe('tcp', `[::1]:${port}`))).toContain(`[::1]:${port}`);
  });

  test('unix, file, cri', async () => {
    expect(await reason(parseProbe('unix', '/no/s'))).toBe('there is no socket /no/s');
    expect(await reason(parseProbe('file', '/no/f'))).toBe('/no/f does not exist');
    for (const target of ['/no/s', 'unix:///no/s', 'unix:/no/s']) {
      expect(await reason(parseProbe('cri', target))).toBe('there is no socket /no/s');
    }
  });

  test('exec, without a shell', async () => {
    await pass(parseProbe('exec', ' test  a = a '));
    expect(await reason(parseProbe('exec', 'test a = $HOME'))).toBe('test exited with 1');
  });

  test('certificates are passed on', async () => {
    const tls = { ca: '/no/ca.crt' };
    for (const kind of ['http', 'etcd']) {
      expect(await reason(parseProbe(kind, 'https://127.0.0.1:1', tls))).toBe(
        'cannot read /no/ca.crt: it does not exist',
      );
    }
  });
});

test.each([
  ['nonsense', 'x', 'no probe is called "nonsense": http, tcp, unix, exec, file, etcd, grpc, cri'],
  ['toString', 'x', 'no probe is called "toString": http, tcp, unix, exec, file, etcd, grpc, cri'],
  ['http', '127.0.0.1', 'not a URL: 127.0.0.1'],
  ['tcp', 'localhost', 'not a HOST:PORT: localhost'],
  ['tcp', 'localhost:0', 'not a HOST:PORT: localhost:0'],
  ['tcp', 'localhost:65536', 'not a HOST:PORT: localhost:65536'],
  ['tcp', 'http://localhost:80', 'not a HOST:PORT: http://localhost:80'],
  ['unix', 'run/s', 'not an absolute path: run/s'],
  ['file', '', 'not an absolute path: '],
  ['cri', 'unix://s', 'not an absolute path: s'],
  ['exec', '  ', 'no command to run'],
  ['etcd', '127.0.0.1:4001', 'not a URL: 127.0.0.1:4001/health'],
])('%s %j is refused with the reason', (kind, target, message) => {
  expect(() => parseProbe(kind, target)).toThrow(new Error(message));
});
