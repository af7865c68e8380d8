import { createServer } from 'node:net';
import { once } from 'node:events';
import { expect, test } from 'vitest';
import { dns } from '../../../probes/kinds/dns.ts';
import { emptyReply } from '../../../src/helper/dns/message.ts';
import { serveDns } from '../../../src/helper/dns/server.ts';

const address = '127.0.0.1';
const name = 'kubernetes.default.svc.cluster.local';

async function freePort(): Promise<number> {
  const server = createServer().listen(0, address);
  await once(server, 'listening');
  const bound = server.address();
  server.close();
  return typeof bound === 'object' && bound !== null ? bound.port : 0;
}

/** Probes a server that answers with this code and these addresses. */
async function probe(rcode: number, addresses: readonly string[] = []): Promise<void> {
  const port = await freePort();
  const resolve = async () => ({
    ...emptyReply(rcode),
    answers: addresses.map((data) => ({ name, type: 'A', ttl: 5, data }) as const),
  });
  await using _server = await serveDns({
    address,
    port,
    isAllowed: () => true,
    resolver: { recursionAvailable: false, resolve },
  });
  await dns({ address, port, name, expected: '10.0.0.1' })(new AbortController().signal);
}

test('passes when the answer has the address', async () => {
  await expect(probe(0, ['10.0.0.2', '10.0.0.1'])).resolves.toBeUndefined();
});

test.each([
  [2, 'has an internal failure (SERVFAIL)'],
  [3, 'knows no such name (NXDOMAIN)'],
  [0, 'has no address for it (NODATA)'],
  [5, 'refuses it (REFUSED)'],
])('fails with code %d: %s', async (rcode, reason) => {
  await expect(probe(rcode)).rejects.toThrow(reason);
});

test('fails when the address is another', async () => {
  await expect(probe(0, ['10.0.0.9'])).rejects.toThrow('to 10.0.0.9, not to 10.0.0.1');
});

test('fails when nothing listens', async () => {
  const port = await freePort();
  const attempt = dns({ address, port, name, expected: '10.0.0.1' })(new AbortController().signal);
  await expect(attempt).rejects.toThrow(`the DNS server 127.0.0.1:${port} does not listen`);
});

test('ends when its signal aborts', async () => {
  // A port that takes packets and never answers.
  const end = new AbortController();
  const port = await freePort();
  await using _server = await serveDns({
    address,
    port,
    isAllowed: () => true,
    resolver: { recursionAvailable: false, resolve: async () => new Promise(() => undefined) },
  });
  const attempt = dns({ address, port, name, expected: '10.0.0.1' })(end.signal);
  end.abort(new Error('enough'));
  await expect(attempt).rejects.toThrow('enough');
});
