import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { readFile, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { connect } from 'node:net';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { execa } from 'execa';
import { beforeEach, describe, expect, onTestFinished, test, vi } from 'vitest';
import { publisherClient } from '../../../src/install/release/client.ts';
import { download } from '../../../src/install/release/download.ts';
import type { DownloadOptions } from '../../../src/install/release/download.ts';
import { Failure } from '../../../src/lib/errors.ts';
import { tempDir } from '../../support/cli.ts';
import { certificate, fakeProgram, releaseServer } from '../../support/releaseServer.ts';
import type { ReleaseServer } from '../../support/releaseServer.ts';

const content = fakeProgram('1.36.99', 1_000_000);
const digest = createHash('sha256').update(content).digest('hex');
const limits = { retries: 3, retryMs: 1, maxRetryMs: 10, stallMs: 500, minBytes: 1000 };

/** A server takes its time. */
const sleep = async (ms: number) => once(AbortSignal.timeout(ms), 'abort');

let server: ReleaseServer;
let file: string;

beforeEach(async () => {
  server = await releaseServer(new Map([['host/file', content]]));
  file = join(await tempDir('download'), 'file');
});

function get(options: Partial<DownloadOptions> & { url?: string } = {}): Promise<string> {
  return download({
    client: publisherClient(server.url, limits),
    url: `${server.url}/host/file`,
    file,
    algorithm: 'sha256',
    signal: new AbortController().signal,
    onBytes: () => undefined,
    onRetry: () => undefined,
    ...options,
  });
}

const isRight = async () => expect((await readFile(file)).equals(content)).toBe(true);

test('a file is on disk with its digest, and the bytes and the size are reported', async () => {
  const seen: [number, number | undefined][] = [];
  expect(await get({ onBytes: (...each) => seen.push(each) })).toBe(digest);
  await isRight();
  expect(seen.at(-1)).toEqual([content.length, content.length]);
  expect(server.requests).toEqual(['host/file']);
});

test('a connection that is cut at every percent is gone on with, and no byte is sent twice', async () => {
  let cut = 0;
  server.misbehave = (request, response) => {
    const [, from = '0'] = /(\d+)-/.exec(request.headers.range ?? '') ?? [];
    cut += 1;
    if (cut >= 100) return false;
    const end = Math.ceil((content.length * cut) / 100);
    response.writeHead(from === '0' ? 200 : 206, {
      'content-length': content.length - Number(from),
      'content-range': `bytes ${from}-${content.length - 1}/${content.length}`,
    });
    response.write(content.subarray(Number(from), end), () => response.destroy());
    return true;
  };
  const retries: string[] = [];
  expect(await get({ onRetry: (reason) => retries.push(reason) })).toBe(digest);
  await isRight();
  const parts = Array.from(
    { length: 99 },
    (_, i) => `host/file from ${Math.ceil((content.length * (i + 1)) / 100)}`,
  );
  expect(server.requests).toEqual(['host/file', ...parts]);
  expect(retries).toHaveLength(99);
});

describe('a server that', () => {
  /** Breaks after half of the file, then answers with `next`. */
  const breakThen = (next: ReleaseServer['misbehave']) => {
    let isFirst = true;
    server.misbehave = (request, response, found) => {
      if (!isFirst) return next(request, response, found);
      isFirst = false;
      response.writeHead(200, { 'content-length': content.length });
      response.write(content.subarray(0, 500_000), () => response.destroy());
      return true;
    };
  };

  test('ignores Range sends the file again from its beginning', async () => {
    breakThen((_request, response) => {
      response.writeHead(200, { 'content-length': content.length }).end(content);
      return true;
    });
    expect(await get()).toBe(digest);
    await isRight();
  });

  test('sends another part than requested is asked again for all of it', async () => {
    let parts = 0;
    breakThen((request, response) => {
      if (request.headers.range === undefined) return false;
      parts += 1;
      response.writeHead(206, { 'content-range': `bytes 7-${content.length - 1}/${content.length}` });
      response.end(content.subarray(7));
      return true;
    });
    expect(await get()).toBe(digest);
    await isRight();
    expect(parts).toBe(1);
  });

  test('has another file of another size meanwhile is asked again for all of it', async () => {
    breakThen((request, response) => {
      const [, from] = /(\d+)-/.exec(request.headers.range ?? '') ?? [];
      if (from === undefined) return false;
      response.writeHead(206, { 'content-range': `bytes ${from}-600000/600001` }).end('other');
      return true;
    });
    expect(await get()).toBe(digest);
    await isRight();
  });

  test('says 416 has nothing more to send, and that is a failure', async () => {
    breakThen((_request, response) => {
      response.writeHead(416).end();
      return true;
    });
    await expect(get()).rejects.toMatchObject({
      code: 'install',
      message: expect.stringContaining('HTTP 416'),
    });
  });

  test.each([500, 502, 503, 429, 408])('answers %i and then the file is waited for', async (status) => {
    let left = 3;
    server.misbehave = (_request, response) => {
      if (left-- === 0) return false;
      response.writeHead(status).end('busy');
      return true;
    };
    expect(await get()).toBe(digest);
    expect(server.requests).toHaveLength(4);
  });

  test('answers 500 forever is a failure with the status and what to do', async () => {
    server.misbehave = (_request, response) => {
      response.writeHead(500).end();
      return true;
    };
    await expect(get()).rejects.toMatchObject({
      code: 'install',
      message: `cannot download ${server.url}/host/file: HTTP 500 Internal Server Error`,
      hint: expect.stringMatching(/HTTPS_PROXY.*--mirror.*--from.*--bin-dir/),
    });
    expect(server.requests).toHaveLength(limits.retries + 1);
  });

  test.each([404, 403, 410])('answers %i is asked once', async (status) => {
    server.misbehave = (_request, response) => {
      response.writeHead(status).end();
      return true;
    };
    await expect(get()).rejects.toThrow(`HTTP ${status}`);
    expect(server.requests).toHaveLength(1);
  });

  test('is slow but steady is waited for', async () => {
    server.misbehave = async (_request, response) => {
      response.writeHead(200, { 'content-length': content.length });
      for (let at = 0; at < content.length; at += 100_000) {
        response.write(content.subarray(at, at + 100_000));
        await sleep(100);
      }
      response.end();
      return true;
    };
    expect(await get()).toBe(digest);
  });

  test('sends a byte now and then is given up, with its speed', async () => {
    server.misbehave = async (_request, response) => {
      response.writeHead(200, { 'content-length': content.length });
      for (let at = 0; at < 100 && !response.destroyed; at += 1) {
        response.write(content.subarray(at, at + 1));
        await sleep(50);
      }
      return true;
    };
    await expect(get({ client: publisherClient(server.url, { ...limits, retries: 1 }) })).rejects.toThrow(
      /cannot download .*: it sent only \d+ bytes in 1 s|it sent only \d+ bytes in 0\.5 s/,
    );
  });

  test('stops sending, or never answers, is given up', async () => {
    server.misbehave = (_request, response, found) => {
      if (found === undefined) return false;
      response.writeHead(200, { 'content-length': content.length }).write(content.subarray(0, 10));
      return true;
    };
    const client = publisherClient(server.url, { ...limits, retries: 1 });
    await expect(get({ client })).rejects.toMatchObject({ code: 'install' });
    server.misbehave = () => true;
    await expect(get({ client })).rejects.toMatchObject({ code: 'install' });
  });

  test('says a size that is too large closes early, each time, and is a failure with both sizes', async () => {
    server.misbehave = (_request, response) => {
      response.writeHead(200, { 'content-length': content.length + 1000 });
      response.write(content, () => response.destroy());
      return true;
    };
    const client = publisherClient(server.url, { ...limits, retries: 1 });
    await expect(get({ client })).rejects.toMatchObject({ code: 'install' });
  });

  test('says a size that is too small sends another file', async () => {
    server.misbehave = (_request, response) => {
      response.socket?.end(
        Buffer.concat([Buffer.from('HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n'), content]),
      );
      return true;
    };
    const got = await get().catch((error: unknown) => error);
    expect(got).not.toBe(digest);
  });

  test('says a size that no release has is refused', async () => {
    server.misbehave = (_request, response) => {
      response.writeHead(200, { 'content-length': 10 ** 12 }).write('x');
      return true;
    };
    await expect(get()).rejects.toThrow('has more than 4 GiB: it is no release');
  });
});

describe('redirects', () => {
  test('to another host are followed, and a part is asked from the first one again', async () => {
    const other = await releaseServer(new Map([['signed', content]]));
    let cuts = 0;
    other.misbehave = (_request, response) => {
      if (cuts++ > 0) return false;
      response.writeHead(200, { 'content-length': content.length });
      response.write(content.subarray(0, 300_000), () => response.destroy());
      return true;
    };
    server.misbehave = (_request, response) => {
      const location = `${other.url.replace('127.0.0.1', 'localhost')}/signed?token=${server.requests.length}`;
      response.writeHead(302, { location }).end();
      return true;
    };
    expect(await get()).toBe(digest);
    await isRight();
    expect(server.requests).toHaveLength(2);
    expect(server.requests[1]).toMatch(/^host\/file from \d+$/);
    expect(other.requests[1]).toMatch(/^signed from \d+$/);
  });

  test('in a circle are a failure that says so', async () => {
    server.misbehave = (request, response) => {
      response.writeHead(302, { location: request.url }).end();
      return true;
    };
    await expect(get()).rejects.toThrow('it redirects in a circle');
  });

  test('from https to http are refused', async () => {
    const { key, cert, caFile } = await certificate();
    vi.stubEnv('NODE_EXTRA_CA_CERTS', caFile);
    onTestFinished(() => void vi.unstubAllEnvs());
    const secure = await releaseServer(new Map([['host/file', content]]), { key, cert });
    const url = `${secure.url}/host/file`;
    const client = publisherClient(secure.url, limits);
    expect(await get({ url, client })).toBe(digest);
    secure.misbehave = (_request, response) => {
      response.writeHead(302, { location: `${server.url}/host/file` }).end();
      return true;
    };
    await expect(get({ url, client })).rejects.toThrow('which is not encrypted');
  });
});

test.each(['NODE_EXTRA_CA_CERTS', 'SSL_CERT_FILE'])('a CA in %s is trusted', async (name) => {
  const { key, cert, caFile } = await certificate();
  const secure = await releaseServer(new Map([['host/file', content]]), { key, cert });
  vi.stubEnv(name, caFile);
  onTestFinished(() => void vi.unstubAllEnvs());
  expect(await get({ url: `${secure.url}/host/file`, client: publisherClient(secure.url, limits) })).toBe(
    digest,
  );
});

test('a certificate of a CA that nobody trusts is a failure at once', async () => {
  const { key, cert } = await certificate();
  const secure = await releaseServer(new Map(), { key, cert });
  const url = `${secure.url}/host/file`;
  await expect(get({ url, client: publisherClient(secure.url, limits) })).rejects.toThrow(
    /is not signed by a CA this machine trusts/,
  );
});

test('a proxy of the environment is used, and not for hosts in NO_PROXY', async () => {
  const seen: string[] = [];
  const proxy = createServer();
  proxy.on('connect', (request, socket) => {
    seen.push(`CONNECT ${request.url?.replace(/:\d+$/, '')}`);
    const target = connect(Number(request.url?.split(':')[1]), '127.0.0.1');
    socket.write('HTTP/1.1 200 OK\r\n\r\n');
    target.pipe(socket).pipe(target);
    for (const each of [socket, target]) each.on('error', () => undefined);
  });
  proxy.listen(0, '127.0.0.1');
  await once(proxy, 'listening');
  onTestFinished(() => {
    proxy.closeAllConnections();
    proxy.close();
  });
  const { key, cert, caFile } = await certificate('files.example.com');
  const secure = await releaseServer(new Map([['host/file', content]]), { key, cert });
  const mirror = secure.url.replace('localhost', 'files.example.com');
  vi.stubEnv('NODE_EXTRA_CA_CERTS', caFile);
  vi.stubEnv('HTTPS_PROXY', `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`);
  onTestFinished(() => void vi.unstubAllEnvs());
  const options = { url: `${mirror}/host/file`, client: publisherClient(mirror, { ...limits, retries: 0 }) };
  expect(await get(options)).toBe(digest);
  expect(seen).toEqual(['CONNECT files.example.com']);
  vi.stubEnv('NO_PROXY', '.example.com');
  await expect(get(options)).rejects.toThrow('the name in files.example.com');
});

test('a full disk is a failure that says so', async () => {
  const dir = await tempDir('full');
  await execa('mount', ['--no-mtab', '-t', 'tmpfs', '-o', 'size=256k', 'tmpfs', dir]);
  onTestFinished(async () => void (await execa('umount', ['--no-mtab', dir])));
  await expect(get({ file: join(dir, 'file') })).rejects.toMatchObject({
    code: 'install',
    message: `no space is left for ${join(dir, 'file')}, which has 1 MiB`,
    hint: expect.stringContaining('XDG_CACHE_HOME'),
  });
});

test('an abort ends it with the reason', async () => {
  const stop = new AbortController();
  const reason = new Failure('install', 'stop');
  const onBytes = () => stop.abort(reason);
  await expect(get({ signal: stop.signal, onBytes })).rejects.toBe(reason);
});

test('a file that exists is replaced', async () => {
  await writeFile(file, Buffer.alloc(2_000_000));
  expect(await get()).toBe(digest);
  await isRight();
});
