import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readEndpointSlice, readNamed, readService } from '../../src/helper/cluster/objects.ts';
import type { EndpointSlice, Named, Service } from '../../src/helper/cluster/objects.ts';
import { Store } from '../../src/helper/cluster/store.ts';
import { Resolver } from '../../src/helper/dns/resolver.ts';
import { serveDns } from '../../src/helper/dns/server.ts';
import { Upstream } from '../../src/helper/dns/upstream.ts';
import { Zone } from '../../src/helper/dns/zone.ts';
import { ask, cases, clusterObjects, domain, freePort, many, verify } from './cases.ts';
import type { Ask, Reply } from './cases.ts';

const address = '127.0.0.1';
const stores = {
  namespaces: new Store<Named>(),
  services: new Store<Service>(),
  slices: new Store<EndpointSlice>(),
};
let port = 0;
let server: AsyncDisposable;

const ofKind = (kind: string): object[] =>
  clusterObjects().filter((object) => 'kind' in object && object.kind === kind);

async function serve({ cluster = stores, isAllowed = (): boolean => true } = {}) {
  const records = new Zone(cluster, {
    domain,
    dnsIp: '10.0.0.10',
    isClusterAddress: (ip) => ip.startsWith('10.0.0.') || ip.startsWith('10.244.0.'),
  });
  const own = await freePort();
  const resolver = new Resolver(records, new Upstream({ servers: [], isOwn: () => false }));
  return { port: own, running: await serveDns({ address, port: own, isAllowed, resolver }) };
}

beforeAll(async () => {
  stores.namespaces.replace(ofKind('Namespace').map(readNamed));
  stores.services.replace(ofKind('Service').map(readService));
  stores.slices.replace(ofKind('EndpointSlice').map(readEndpointSlice));
  const started = await serve();
  port = started.port;
  server = started.running;
});

afterAll(async () => server[Symbol.asyncDispose]());

const askServer = async (...questions: Ask[]) => ask({ address, port }, ...questions);

describe('the embedded DNS server by the specification', () => {
  let replies: readonly Reply[];
  beforeAll(async () => {
    replies = await askServer(...cases.map((each) => each.ask));
  });
  for (const [index, each] of cases.entries()) it(each.it, () => verify(replies[index]!, each));
});

const zone = `dns-test.svc.${domain}`;
const web = { name: `web.${zone}`, type: 'A' };

describe('messages', () => {
  it('what does not fit into a UDP message is left out, and comes by TCP', async () => {
    const all = { name: `many.${zone}`, type: 'A' };
    const [plain, edns, huge, tcp] = await askServer(
      all,
      { ...all, udpSize: 1232 },
      { ...all, udpSize: 65_535 },
      { ...all, tcp: true },
    );
    expect(plain).toMatchObject({ tc: true, hasEdns: false });
    expect(plain!.bytes).toBeLessThanOrEqual(512);
    // As much as fits, for resolvers without TCP (musl before 1.2.4): each name is written once.
    expect(plain!.answers.length).toBe(28);
    expect(edns).toMatchObject({ tc: true, hasEdns: true });
    expect(edns!.bytes).toBeLessThanOrEqual(1232);
    expect(huge!.bytes).toBeLessThanOrEqual(1232);
    expect(tcp).toMatchObject({ tc: false });
    expect(tcp!.answers.length).toBe(many);
  });

  it('the answers come in any order', async () => {
    const replies = await askServer(...Array.from({ length: 20 }, () => ({ name: `db.${zone}`, type: 'A' })));
    expect(new Set(replies.map(({ answers }) => answers[0])).size).toBeGreaterThan(1);
  });

  it('EDNS of a later version, other operations, classes and transfers are refused with their codes', async () => {
    const replies = await askServer(
      { ...web, udpSize: 1232, ednsVersion: 1 },
      { ...web, opcode: 4 },
      { ...web, class: 'CH' },
      { ...web, type: 'AXFR', tcp: true },
    );
    expect(replies.map(({ rcode }) => rcode)).toEqual(['NOERROR', 'NOTIMP', 'REFUSED', 'REFUSED']);
    // BADVERS is 16: one in the upper bits, which are in the EDNS record.
    expect(replies[0]).toMatchObject({ extendedRcode: 1, answers: [] });
  });

  it('what cannot be read gets FORMERR, and the server goes on', async () => {
    const header = (questions: number) => Buffer.from([0x12, 0x67, 1, 0, 0, questions, 0, 0, 0, 0, 0, 0]);
    const broken = [
      header(0),
      header(1),
      // A pointer into the header; a name without end.
      Buffer.concat([header(1), Buffer.from([0xc0, 0, 0, 1, 0, 1])]),
      Buffer.concat([header(1), Buffer.from([63, 1, 2])]),
    ];
    const replies = await askServer(
      ...broken.map((raw) => ({ name: '', type: 'A', raw: raw.toString('base64') })),
      web,
    );
    expect(replies.map(({ rcode }) => rcode)).toEqual([...broken.map(() => 'FORMERR'), 'NOERROR']);
    expect(replies[0]?.id).toBe(0x12_67);
  });

  it('a client that is not allowed is refused', async () => {
    const { port: own, running } = await serve({ isAllowed: () => false });
    const [reply] = await ask({ address, port: own }, web);
    await running[Symbol.asyncDispose]();
    expect(reply).toMatchObject({ rcode: 'REFUSED', answers: [] });
  });
});

describe('the zone', () => {
  it('SERVFAIL until the cluster has been read', async () => {
    const empty = {
      namespaces: new Store<Named>(),
      services: new Store<Service>(),
      slices: new Store<EndpointSlice>(),
    };
    const { port: own, running } = await serve({ cluster: empty });
    const [reply] = await ask({ address, port: own }, web);
    await running[Symbol.asyncDispose]();
    expect(reply).toMatchObject({ rcode: 'SERVFAIL', answers: [] });
  });

  it('aliases in a circle end', async () => {
    const [reply] = await askServer({ name: `circle-a.${zone}`, type: 'A' });
    expect(reply!.answers.length).toBeLessThan(10);
    expect(reply!.answers.every((answer) => answer.startsWith('CNAME circle-'))).toBe(true);
  });

  it('an alias to a name that cannot be resolved is returned alone', async () => {
    const [reply] = await askServer({ name: `outer.${zone}`, type: 'A' });
    expect(reply).toMatchObject({ rcode: 'NOERROR', answers: ['CNAME www.example.com'] });
  });

  it('a Service with two families has both addresses, and PTR records', async () => {
    const both = readService({
      metadata: { namespace: 'dns-test', name: 'both' },
      spec: { clusterIP: '10.0.0.60', clusterIPs: ['10.0.0.60', 'fd00::60'], ports: [{ port: 80 }] },
    });
    stores.services.set(both);
    const [v4, v6, reverse] = await askServer(
      { name: `both.${zone}`, type: 'A' },
      { name: `both.${zone}`, type: 'AAAA' },
      { name: `0.6.0.0.${'0.'.repeat(24)}0.0.d.f.ip6.arpa`, type: 'PTR' },
    );
    stores.services.delete(both);
    expect([v4!.answers, v6!.answers, reverse!.answers]).toEqual([
      ['A 10.0.0.60'],
      ['AAAA fd00::60'],
      [`PTR both.${zone}`],
    ]);
  });

  it('an address of the cluster without a name is unknown here, and asked for nowhere else', async () => {
    const [reply] = await askServer({ name: '99.0.0.10.in-addr.arpa', type: 'PTR' });
    expect(reply).toMatchObject({ rcode: 'NXDOMAIN', aa: true });
  });
});
