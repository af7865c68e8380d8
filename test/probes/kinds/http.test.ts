import { once } from 'node:events';
import { createServer } from 'node:net';
import { describe, expect, test } from 'vitest';
import { http } from '../../../probes/kinds/http.ts';
import { probeOnce } from '../../../probes/probeOnce.ts';
import { never, pass, reason } from '../../fixtures/probes/attempts.ts';
import { answering, closedPort, folder, listen, serve } from '../../fixtures/probes/servers.ts';

describe('status', () => {
  test.each([200, 204, 302, 399])('%d passes', async (status) => {
    const { url } = await answering(status);
    await pass(http(url));
  });

  test.each([
    [404, 'HTTP 404 Not Found from URL: no such page'],
    [500, 'HTTP 500 Internal Server Error from URL: no such page'],
    [401, 'HTTP 401 Unauthorized from URL: no such page: is a client certificate missing?'],
  ])('%d fails; the body explains', async (status, expected) => {
    const { url } = await answering(status, '\n no such page\nsecond line');
    expect(await reason(http(`${url}/x?y=1`))).toBe(expected.replace('URL', `${url}/x?y=1`));
  });

  test('only the given statuses', async () => {
    const { url } = await answering(403);
    await pass(http(url, { status: 403 }));
    await pass(http(url, { status: [401, 403] }));
    expect(await reason(http(url, { status: 200 }))).toBe(`HTTP 403 Forbidden from ${url}/`);
  });

  test('a redirect is not followed', async () => {
    const requested: (string | undefined)[] = [];
    const { url } = await serve((request, response) => {
      requested.push(request.url);
      response.writeHead(302, { location: '/elsewhere' }).end();
    });
    await pass(http(`${url}/moved`));
    expect(requested).toEqual(['/moved']);
  });

  test('the failed checks of a Kubernetes health page are quoted', async () => {
    const page = [
      '[+]ping ok',
      '[-]etcd failed: reason withheld',
      '[-]poststarthook/rbac/bootstrap-roles failed: reason withheld',
      'readyz check failed',
    ].join('\n');
    const { url } = await answering(500, page);
    expect(await reason(http(url))).toBe(
      `HTTP 500 Internal Server Error from ${url}/: [-]etcd failed, [-]poststarthook/rbac/bootstrap-roles failed`,
    );
  });

  test('only the first three failed checks', async () => {
    const { url } = await answering(
      500,
      Array.from({ length: 9 }, (_, index) => `[-]${index} failed`).join('\n'),
    );
    expect(await reason(http(url))).toContain(': [-]0 failed, [-]1 failed, [-]2 failed, and 6 more');
  });

  test('the message of a Kubernetes Status is quoted', async () => {
    const { url } = await answering(403, JSON.stringify({ kind: 'Status', message: 'forbidden: User "x"' }));
    expect(await reason(http(url))).toBe(`HTTP 403 Forbidden from ${url}/: forbidden: User "x"`);
  });

  test('a reason contains no password and no control character', async () => {
    const { port } = await answering(500, 'bad \u001B[31mnews');
    expect(await reason(http(`http://me:secret@127.0.0.1:${port}/`))).toBe(
      `HTTP 500 Internal Server Error from http://127.0.0.1:${port}/: bad  [31mnews`,
    );
  });
});

describe('body', () => {
  test('must match', async () => {
    const { url } = await answering(200, 'all is well');
    await pass(http(url, { body: 'is well' }));
    const always = http(url, { body: /WELL$/gi });
    await pass(always);
    await pass(always);
    expect(await reason(http(url, { body: 'ok' }))).toBe(`no "ok" in the answer of ${url}/: all is well`);
    expect(await reason(http(url, { body: /^ok/ }))).toBe(`no /^ok/ in the answer of ${url}/: all is well`);
  });

  test('is read up to 64 KiB, however long it is', async () => {
    const { url } = await serve((_request, response) => {
      const more = () => {
        while (response.write('x'.repeat(8192)));
      };
      response.on('drain', more);
      response.write('start');
      more();
    });
    await pass(http(url, { body: /^startx+$/ }));
    await pass(http(url));
  });

  test('that never ends is a failed attempt', async () => {
    const { url } = await serve((_request, response) => response.write('part of'));
    expect(await reason(http(url), 100)).toBe('no answer within 100 ms');
  });
});

describe('connection', () => {
  test('is the same for all attempts', async () => {
    const { url, sockets } = await answering(500, 'busy');
    const probe = http(url);
    for (let i = 0; i < 5; i++) await reason(probe);
    expect(sockets).toHaveLength(1);
  });

  test('refused', async () => {
    const port = await closedPort();
    expect(await reason(http(`http://127.0.0.1:${port}/healthz`))).toBe(
      `connection refused on 127.0.0.1:${port}`,
    );
  });

  test('closed without a response', async () => {
    const server = await listen(createServer((socket) => socket.once('data', () => socket.destroy())));
    expect(await reason(http(server.url))).toBe(`${server.at} closed the connection without an answer`);
  });

  test('reset during the response', async () => {
    const server = await serve((request, response) => {
      response.writeHead(200, { 'content-length': 100 });
      response.write('part', () => request.socket.resetAndDestroy());
    });
    expect(await reason(http(server.url))).toContain(server.at);
  });

  test('to a server that does not speak HTTP', async () => {
    const server = await listen(createServer((socket) => socket.end('SSH-2.0-OpenSSH_9.2\r\n')));
    expect(await reason(http(server.url))).toBe(`${server.at} does not speak HTTP`);
  });

  test('that hangs is a failed attempt, and is closed', async () => {
    const server = createServer();
    const { url } = await listen(server);
    const connected = once(server, 'connection');
    const failed = reason(http(url), 100);
    const [socket] = await connected;
    const closed = once(socket.resume(), 'close');
    expect(await failed).toBe('no answer within 100 ms');
    await closed;
  });

  test('is closed by an abort during an attempt', async () => {
    const server = createServer();
    const { url } = await listen(server);
    const stop = new AbortController();
    const attempt = probeOnce(http(url), 60_000, stop.signal);
    const [socket] = await once(server, 'connection');
    const closed = once(socket.resume(), 'close');
    stop.abort('over');
    await expect(attempt).rejects.toBe('over');
    await closed;
  });

  test('is made again when the server is back', async () => {
    const first = await answering(200);
    const probe = http(first.url);
    await pass(probe);
    await first.close();
    expect(await reason(probe)).toMatch(/connection refused|closed the connection/);
    await serve((_request, response) => response.end(), first.port);
    await pass(probe);
  });

  test('over a unix socket, with headers', async () => {
    const socketPath = `${folder()}/s`;
    expect(await reason(http('http://node/x', { socketPath }))).toBe(`there is no socket ${socketPath}`);
    await serve((request, response) => {
      response.writeHead(request.headers['x-who'] === 'me' ? 200 : 500).end();
    }, socketPath);
    await pass(http('http://node/x', { socketPath, headers: { 'x-who': 'me' } }));
    expect(await reason(http('http://node/x', { socketPath }))).toBe(
      'HTTP 500 Internal Server Error from http://node/x',
    );
  });
});

test.each([
  ['127.0.0.1:6443', 'not a URL: 127.0.0.1:6443'],
  ['localhost:6443', 'not an http or https URL: localhost:6443'],
  ['', 'not a URL: '],
  ['file:///etc/passwd', 'not an http or https URL: file:///etc/passwd'],
])('an invalid URL is refused before any attempt: %j', (url, message) => {
  expect(() => http(url)).toThrow(new Error(message));
});

test('an aborted signal: no connection', async () => {
  const { url, sockets } = await answering(200);
  await expect(http(url)(AbortSignal.abort('over'))).rejects.toBe('over');
  await http(url)(never());
  expect(sockets).toHaveLength(1);
});
