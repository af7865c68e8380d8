import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { serveDns } from '../../src/helper/dns/server.ts';
import { emptyReply } from '../../src/helper/dns/message.ts';
import type { Query, Reply, ResourceRecord } from '../../src/helper/dns/message.ts';
import { Upstream } from '../../src/helper/dns/upstream.ts';
import { tempDir } from '../support/cli.ts';
import { freePort } from './cases.ts';

const address = '127.0.0.1';
const isOwn = (ip: string): boolean => ip === '10.0.0.10';
const running: AsyncDisposable[] = [];

afterEach(async () => {
  for (const each of running.splice(0)) await each[Symbol.asyncDispose]();
});

/** A DNS server on this machine; `seen` has the names that it was asked for. */
async function server(resolve: (query: Query) => Reply) {
  const seen: string[] = [];
  const port = await freePort();
  const resolver = {
    recursionAvailable: true,
    resolve: async (query: Query) => {
      seen.push(query.question.name);
      return resolve(query);
    },
  };
  running.push(await serveDns({ address, port, isAllowed: () => true, resolver }));
  return { port, address, seen };
}

const a = (name: string, data: string, ttl = 60): ResourceRecord => ({ name, type: 'A', ttl, data });
const answering = (...answers: ResourceRecord[]): Reply => ({ ...emptyReply(0), answers });
const asked = (name: string, type = 'A') => ({
  question: { name, type, class: 'IN' },
  checkingDisabled: false,
  edns: undefined,
});

test('an answer is remembered, for every spelling of the name, with the rest of its time', async () => {
  const upstream = await server(({ question }) => answering(a(question.name, '192.0.2.1', 20)));
  const resolver = new Upstream({ servers: [upstream], isOwn });
  const first = await resolver.resolve(asked('www.Example.com'));
  const again = await resolver.resolve(asked('WWW.example.com'));
  expect(first.answers).toMatchObject([{ data: '192.0.2.1', ttl: 20 }]);
  expect(again.answers[0]?.ttl).toBeLessThanOrEqual(20);
  expect(upstream.seen).toEqual(['www.Example.com']);
});

test('that there is no such name is remembered for the time of the SOA, and a failure is not', async () => {
  const soa: ResourceRecord = {
    name: 'example.com',
    type: 'SOA',
    ttl: 600,
    data: { mname: 'ns.example.com', rname: 'root.example.com', minimum: 10 },
  };
  const upstream = await server(({ question }) =>
    question.name.startsWith('broken') ? emptyReply(2) : { ...emptyReply(3), authorities: [soa] },
  );
  const resolver = new Upstream({ servers: [upstream], isOwn });
  for (const name of ['no.example.com', 'no.example.com', 'broken.example.com', 'broken.example.com'])
    await resolver.resolve(asked(name));
  expect(upstream.seen).toEqual(['no.example.com', 'broken.example.com', 'broken.example.com']);
});

test('the same question is asked once at a time', async () => {
  const upstream = await server(({ question }) => answering(a(question.name, '192.0.2.1', 0)));
  const resolver = new Upstream({ servers: [upstream], isOwn });
  const same = Array.from({ length: 20 }, async () => resolver.resolve(asked('www.example.com')));
  const replies = await Promise.all(same);
  expect(replies.every(({ answers }) => answers.length === 1)).toBe(true);
  expect(upstream.seen.length).toBe(1);
});

test('the memory for answers is bounded', async () => {
  const upstream = await server(({ question }) => answering(a(question.name, '192.0.2.1')));
  const resolver = new Upstream({ servers: [upstream], isOwn });
  for (let index = 0; index < 510; index++) await resolver.resolve(asked(`n${index}.example.com`));
  await resolver.resolve(asked('n509.example.com'));
  expect(upstream.seen.length).toBe(510);
  await resolver.resolve(asked('n0.example.com'));
  expect(upstream.seen.length).toBe(511);
});

test('an answer that is too long for UDP is fetched by TCP', async () => {
  const upstream = await server(({ question }) =>
    answering(...Array.from({ length: 200 }, (_, index) => a(question.name, `192.0.2.${index}`))),
  );
  const reply = await new Upstream({ servers: [upstream], isOwn }).resolve(asked('many.example.com'));
  expect(reply.answers.length).toBe(200);
  expect(upstream.seen.length).toBe(2);
});

test('types that the library does not know pass unchanged', async () => {
  const data = Buffer.from('0001000001000302683204c0000201', 'hex');
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- HTTPS (RFC 9460), by the library's name for it
  const https = { name: 'www.example.com', type: 'UNKNOWN_65' as 'NULL', ttl: 60, data };
  const upstream = await server(() => answering(https));
  const reply = await new Upstream({ servers: [upstream], isOwn }).resolve(
    asked('www.example.com', 'UNKNOWN_65'),
  );
  expect(reply.answers).toMatchObject([{ type: 'UNKNOWN_65', data }]);
});

test('a server that does not listen is passed over at once, and asked last from then on', async () => {
  const dead = { address, port: await freePort() };
  const upstream = await server(({ question }) => answering(a(question.name, '192.0.2.1')));
  const resolver = new Upstream({ servers: [dead, upstream], isOwn });
  const startedAt = performance.now();
  expect((await resolver.resolve(asked('www.example.com'))).answers.length).toBe(1);
  expect((await resolver.resolve(asked('other.example.com'))).answers.length).toBe(1);
  expect(performance.now() - startedAt).toBeLessThan(1500);
});

test('without any server a question is refused at once; with none that answers, it fails at once', async () => {
  const none = new Upstream({ servers: [], isOwn });
  expect(none.isAvailable).toBe(false);
  expect((await none.resolve(asked('www.example.com'))).rcode).toBe(5);
  const dead = new Upstream({ servers: [{ address, port: await freePort() }], isOwn });
  expect((await dead.resolve(asked('www.example.com'))).rcode).toBe(2);
});

test('the servers of a resolv.conf are asked, read again when it changes, and never this one', async () => {
  const file = join(await tempDir('resolv'), 'resolv.conf');
  const resolver = new Upstream({ servers: [], resolvConf: file, isOwn });
  expect(resolver.isAvailable).toBe(false);
  await writeFile(file, 'search example.com\nnameserver 10.0.0.10\n');
  expect(resolver.isAvailable).toBe(false);
  await writeFile(
    file,
    '# a comment\n nameserver\t127.0.0.1 # local\nnameserver 10.0.0.10\noptions ndots:1\n',
  );
  expect(resolver.isAvailable).toBe(true);
});
