import { spawn } from 'node:child_process';
import { copyFileSync, readFileSync } from 'node:fs';
import { createServer as createTcp } from 'node:net';
import { createServer, type ServerOptions } from 'node:https';
import { createInterface } from 'node:readline';
import { afterAll, beforeAll, describe, expect, onTestFinished, test, vi } from 'vitest';
import { http } from '../../../probes/kinds/http.ts';
import { authority, type Authority, type Pair } from '../../fixtures/probes/certificates.ts';
import { pass, reason } from '../../fixtures/probes/attempts.ts';
import { answering, folder, listen } from '../../fixtures/probes/servers.ts';

let ca: Authority;
let other: Authority;
let server: Pair;
let client: Pair;
let stranger: Pair;

beforeAll(() => {
  ca = authority();
  other = authority();
  server = ca.leaf('server');
  client = ca.leaf('client', { san: 'DNS:client' });
  stranger = other.leaf('stranger', { san: 'DNS:stranger' });
});
afterAll(() => {
  ca.remove();
  other.remove();
});

/** An HTTPS server with this certificate and a fixed response. */
async function secure({ cert, key }: Pair, options: ServerOptions = {}, status = 200, headers = {}) {
  const httpsServer = createServer(
    { ...options, cert: readFileSync(cert), key: readFileSync(key) },
    (_request, response) => {
      response.writeHead(status, headers).end();
    },
  );
  const listening = await listen(httpsServer);
  return { ...listening, url: `https://${listening.at}/` };
}

/** OpenSSL's own server, which demands a client certificate that is signed by our CA. */
async function demanding(...flags: string[]) {
  const verify = ['-Verify', '1', '-verify_return_error', '-CAfile', ca.cert];
  const args = ['s_server', '-www', '-accept', '127.0.0.1:0', '-cert', server.cert, '-key', server.key];
  const child = spawn('openssl', [...args, ...verify, ...flags], { stdio: ['ignore', 'pipe', 'ignore'] });
  onTestFinished(() => {
    child.kill('SIGKILL');
  });
  for await (const line of createInterface(child.stdout)) {
    const at = /^ACCEPT (?<at>.+)$/.exec(line)?.groups?.['at'];
    if (at) return { at, url: `https://${at}/` };
  }
  throw new Error('openssl s_server did not start');
}

describe("the server's certificate", () => {
  test('signed by the given CA passes, over one connection', async () => {
    const { url, sockets } = await secure(server);
    const probe = http(url, { ca: ca.cert });
    await pass(probe);
    await pass(probe);
    expect(sockets).toHaveLength(1);
  });

  test('signed by another CA is refused, and the reason names the file', async () => {
    const { url, at } = await secure(server);
    expect(await reason(http(url, { ca: other.cert }))).toBe(
      `the certificate of ${at} is not signed by ${other.cert}`,
    );
    expect(await reason(http(url))).toBe(
      `the certificate of ${at} is not signed by a CA this machine trusts`,
    );
  });

  test('is verified even if NODE_TLS_REJECT_UNAUTHORIZED is 0', async () => {
    process.env['NODE_TLS_REJECT_UNAUTHORIZED'] = '0';
    const warned = vi.spyOn(process, 'emitWarning').mockImplementation(() => {});
    onTestFinished(() => {
      delete process.env['NODE_TLS_REJECT_UNAUTHORIZED'];
      warned.mockRestore();
    });
    const { url } = await secure(server);
    expect(await reason(http(url, { ca: other.cert }))).toContain('is not signed by');
  });

  test('that has expired is refused', async () => {
    const { url, at } = await secure(ca.leaf('expired', { days: -1 }));
    expect(await reason(http(url, { ca: ca.cert }))).toBe(`the certificate of ${at} has expired`);
  });

  test('for another name is refused', async () => {
    const { url, at } = await secure(ca.leaf('elsewhere', { san: 'IP:10.0.0.1' }));
    expect(await reason(http(url, { ca: ca.cert }))).toContain(
      `the certificate of ${at} is for another name`,
    );
  });
});

describe('the client certificate', () => {
  test.each([
    ['-tls1_2', 'refuses the TLS handshake (alert 40): is a client certificate missing?'],
    ['-tls1_3', 'demands a client certificate'],
  ])('is shown to a server that demands one: %s', async (version, missing) => {
    const { url, at } = await demanding(version);
    await pass(http(url, { ca: ca.cert, ...client }));
    expect(await reason(http(url, { ca: ca.cert }))).toBe(`${at} ${missing}`);
    expect(await reason(http(url, { ca: ca.cert, ...stranger }))).toBe(
      `${at} refuses the client certificate ${stranger.cert}`,
    );
  });

  test('status 401: the reason suggests the cause', async () => {
    const { url } = await secure(server, {}, 401);
    const says = `HTTP 401 Unauthorized from ${url}`;
    expect(await reason(http(url, { ca: ca.cert }))).toBe(`${says}: is a client certificate missing?`);
    expect(await reason(http(url, { ca: ca.cert, ...client }))).toBe(
      `${says}: is ${client.cert} signed by a CA it trusts?`,
    );
  });

  test('goes together with its key', () => {
    expect(() => http('https://127.0.0.1/', { cert: client.cert })).toThrow(
      new Error('a client certificate and its key go together'),
    );
  });
});

test('the PEM files may be written later, and may be replaced', async () => {
  const { url } = await secure(server);
  const later = `${folder()}/ca.crt`;
  const probe = http(url, { ca: later });
  expect(await reason(probe)).toBe(`cannot read ${later}: it does not exist`);
  copyFileSync(other.cert, later);
  expect(await reason(probe)).toContain(`is not signed by ${later}`);
  copyFileSync(ca.cert, later);
  await pass(probe);
});

test('the PEM files are read for each connection, also when the last one answered', async () => {
  const { url } = await secure(server, {}, 200, { connection: 'close' });
  const later = `${folder()}/ca.crt`;
  copyFileSync(ca.cert, later);
  const probe = http(url, { ca: later });
  await pass(probe);
  copyFileSync(other.cert, later);
  expect(await reason(probe)).toContain(`is not signed by ${later}`);
});

test('an invalid PEM file is a reason, not a crash', async () => {
  const { url, at } = await secure(server);
  expect(await reason(http(url, { ca: ca.cert, cert: '/etc/hostname', key: '/etc/hostname' }))).toContain(at);
});

test('https to a server without TLS, and http to one with', async () => {
  const plain = await answering(200);
  expect(await reason(http(`https://${plain.at}/`))).toBe(`${plain.at} does not speak TLS`);
  const tls = await secure(server);
  expect(await reason(http(`http://${tls.at}/`))).toBe(`${tls.at} closed the connection without an answer`);
});

test('a handshake that hangs is a failed attempt', async () => {
  const { at } = await listen(createTcp());
  expect(await reason(http(`https://${at}/`, { ca: ca.cert }), 100)).toBe('no answer within 100 ms');
});

test('certificates for a URL without TLS are an error', () => {
  expect(() => http('http://127.0.0.1/', { ca: ca.cert })).toThrow(
    new Error('certificates are for https, not for http://127.0.0.1/'),
  );
});
