import { once } from 'node:events';
import { createServer } from 'node:net';
import { execa } from 'execa';
import { expect } from 'vitest';

// One suite of cases for every DNS server of a node: the cluster's objects, and questions with the answers that the Kubernetes
// DNS specification 1.1 demands. Where it leaves a choice, with those of CoreDNS.

export const domain = 'cluster.local';
const namespace = 'dns-test';
const zone = `${namespace}.svc.${domain}`;

/** The number of endpoints of the Service `many`: more than fit into one UDP message. */
export const many = 150;

function service(name: string, spec: object): object {
  return { apiVersion: 'v1', kind: 'Service', metadata: { name, namespace }, spec };
}

interface Endpoint {
  readonly addresses: readonly string[];
  readonly hostname?: string;
  readonly conditions: { readonly ready: boolean };
}

function slice(
  apiVersion: string,
  of: string,
  type: 'IPv4' | 'IPv6',
  endpoints: readonly Endpoint[],
): object {
  return {
    apiVersion,
    kind: 'EndpointSlice',
    metadata: {
      name: `${of}-${type.toLowerCase()}`,
      namespace,
      labels: { 'kubernetes.io/service-name': of },
    },
    addressType: type,
    endpoints,
    ports: [{ name: 'pg', protocol: 'TCP', port: 5432 }],
  };
}

const endpoint = (address: string, hostname?: string, ready = true): Endpoint => ({
  addresses: [address],
  ...(hostname !== undefined && { hostname }),
  conditions: { ready },
});

const headless = { clusterIP: 'None', ports: [{ name: 'pg', port: 5432 }] };

/** What is in the cluster. `apiVersion`: that of EndpointSlices. */
export function clusterObjects(apiVersion = 'discovery.k8s.io/v1'): object[] {
  return [
    { apiVersion: 'v1', kind: 'Namespace', metadata: { name: namespace } },
    service('web', {
      clusterIP: '10.0.0.50',
      ports: [
        { name: 'http', port: 80 },
        { name: 'quic', port: 443, protocol: 'UDP' },
      ],
    }),
    service('plain', { clusterIP: '10.0.0.51', ports: [{ port: 80 }] }),
    slice(apiVersion, 'web', 'IPv4', [endpoint('10.244.0.60', 'front')]),
    service('db', headless),
    slice(apiVersion, 'db', 'IPv4', [
      endpoint('10.244.0.71', 'db-0'),
      endpoint('10.244.0.72', 'db-1'),
      endpoint('10.244.0.73', 'db-2', false),
      endpoint('10.244.0.74'),
    ]),
    slice(apiVersion, 'db', 'IPv6', [endpoint('2001:db8::71', 'db-0')]),
    service('empty', headless),
    service('many', headless),
    slice(
      apiVersion,
      'many',
      'IPv4',
      Array.from({ length: many }, (_, index) => endpoint(`10.244.0.${index + 100}`)),
    ),
    service('inner', { type: 'ExternalName', externalName: `web.${zone}` }),
    service('outer', { type: 'ExternalName', externalName: 'www.example.com' }),
    service('circle-a', { type: 'ExternalName', externalName: `circle-b.${zone}` }),
    service('circle-b', { type: 'ExternalName', externalName: `circle-a.${zone}` }),
  ];
}

export interface Ask {
  readonly name: string;
  readonly type: string;
  readonly class?: string;
  readonly tcp?: boolean;
  /** The size of UDP messages in an EDNS record. */
  readonly udpSize?: number;
  readonly ednsVersion?: number;
  readonly opcode?: number;
  readonly raw?: string;
}

export interface Reply {
  readonly ms: number;
  readonly bytes: number;
  readonly id: number;
  readonly rcode: string;
  readonly extendedRcode: number;
  readonly hasEdns: boolean;
  readonly aa: boolean;
  readonly tc: boolean;
  readonly ra: boolean;
  readonly question?: string;
  readonly owners: readonly string[];
  readonly ttls: readonly number[];
  readonly answers: readonly string[];
  readonly authorities: readonly string[];
  readonly additionals: readonly string[];
}

/** Asks a server these questions, one after the other. `prefix`: a command in front, such as nsenter. */
export async function ask(
  { address, port, prefix = [] }: { address: string; port: number; prefix?: readonly string[] },
  ...questions: readonly Ask[]
): Promise<Reply[]> {
  const argv = [...prefix, process.execPath, 'test/fixtures/dns/ask.mjs', address, String(port)];
  const { stdout } = await execa(argv[0]!, argv.slice(1), { input: JSON.stringify(questions) });
  return JSON.parse(stdout) as Reply[];
}

/** A question, and what its reply must be. Answers in any order. */
export interface Case {
  readonly it: string;
  readonly ask: Ask;
  readonly expected: Partial<Pick<Reply, 'rcode' | 'answers' | 'additionals' | 'aa' | 'owners' | 'question'>>;
  /** The authority section has the zone's SOA, for how long there is no such record. */
  readonly hasSoa?: true;
  /** Why the reply of CoreDNS is another one, in what the specification leaves open. */
  readonly coreDns?: string;
}

const question = (name: string, type = 'A'): Ask => ({ name, type });
const found = (...answers: string[]) => ({ rcode: 'NOERROR', answers, aa: true });
const nxdomain = { expected: { rcode: 'NXDOMAIN', answers: [], aa: true }, hasSoa: true } as const;
const nodata = { expected: { rcode: 'NOERROR', answers: [], aa: true }, hasSoa: true } as const;

/** In pairs of a name below the zone of the test's namespace, and the case. */
export const cases: readonly Case[] = [
  { it: 'a cluster IP', ask: question(`web.${zone}`), expected: found('A 10.0.0.50') },
  {
    it: 'upper and lower case, which are returned as they came',
    ask: question(`wEb.${zone.toUpperCase()}`),
    expected: {
      ...found('A 10.0.0.50'),
      question: `wEb.${zone.toUpperCase()}`,
      owners: [`wEb.${zone.toUpperCase()}`],
    },
    coreDns: 'owners are in lower case',
  },
  { it: 'no IPv6 address: NODATA', ask: question(`web.${zone}`, 'AAAA'), ...nodata },
  { it: 'no such type: NODATA', ask: question(`web.${zone}`, 'MX'), ...nodata },
  { it: 'an unknown type: NODATA', ask: question(`web.${zone}`, 'UNKNOWN_65'), ...nodata },
  { it: 'no such Service: NXDOMAIN', ask: question(`nope.${zone}`), ...nxdomain },
  { it: 'no such namespace: NXDOMAIN', ask: question(`web.nope.svc.${domain}`), ...nxdomain },
  { it: 'no such subdomain: NXDOMAIN', ask: question(`web.nope.${domain}`), ...nxdomain },
  {
    it: 'a name from a search list, twice below the domain: NXDOMAIN',
    ask: question(`example.com.${zone}`),
    ...nxdomain,
  },
  { it: 'a namespace: NODATA', ask: question(zone), ...nodata },
  { it: 'svc: NODATA', ask: question(`svc.${domain}`), ...nodata },
  {
    it: 'SRV of a port',
    ask: question(`_http._tcp.web.${zone}`, 'SRV'),
    expected: { ...found(`SRV 80 web.${zone}`), additionals: ['A 10.0.0.50'] },
  },
  {
    it: 'SRV of a UDP port',
    ask: question(`_quic._udp.web.${zone}`, 'SRV'),
    expected: found(`SRV 443 web.${zone}`),
  },
  {
    it: 'SRV of a port of another protocol: NXDOMAIN',
    ask: question(`_http._udp.web.${zone}`, 'SRV'),
    ...nxdomain,
  },
  { it: 'SRV of no such port: NXDOMAIN', ask: question(`_ssh._tcp.web.${zone}`, 'SRV'), ...nxdomain },
  {
    it: 'PTR of a cluster IP',
    ask: question('50.0.0.10.in-addr.arpa', 'PTR'),
    expected: found(`PTR web.${zone}`),
  },
  {
    it: 'a headless Service: its ready endpoints',
    ask: question(`db.${zone}`),
    expected: found('A 10.244.0.71', 'A 10.244.0.72', 'A 10.244.0.74'),
  },
  {
    it: 'a headless Service, IPv6',
    ask: question(`db.${zone}`, 'AAAA'),
    expected: found('AAAA 2001:db8::71'),
  },
  { it: 'a hostname', ask: question(`db-1.db.${zone}`), expected: found('A 10.244.0.72') },
  { it: 'a hostname, IPv6', ask: question(`db-0.db.${zone}`, 'AAAA'), expected: found('AAAA 2001:db8::71') },
  {
    it: 'the hostname of an endpoint that is not ready: NXDOMAIN',
    ask: question(`db-2.db.${zone}`),
    ...nxdomain,
  },
  {
    it: 'an endpoint without hostname, by its address',
    ask: question(`10-244-0-74.db.${zone}`),
    expected: found('A 10.244.0.74'),
  },
  {
    it: 'the hostname of an endpoint with a cluster IP',
    ask: question(`front.web.${zone}`),
    expected: found('A 10.244.0.60'),
  },
  {
    it: 'SRV of a headless Service',
    ask: question(`_pg._tcp.db.${zone}`, 'SRV'),
    expected: {
      ...found(`SRV 5432 db-0.db.${zone}`, `SRV 5432 db-1.db.${zone}`, `SRV 5432 10-244-0-74.db.${zone}`),
    },
  },
  {
    it: 'PTR of an endpoint',
    ask: question('72.0.244.10.in-addr.arpa', 'PTR'),
    expected: found(`PTR db-1.db.${zone}`),
  },
  {
    it: 'PTR of an IPv6 endpoint',
    ask: question(`1.7.0.0.${'0.'.repeat(20)}8.b.d.0.1.0.0.2.ip6.arpa`, 'PTR'),
    expected: found(`PTR db-0.db.${zone}`),
  },
  { it: 'a headless Service without endpoints: NXDOMAIN', ask: question(`empty.${zone}`), ...nxdomain },
  {
    it: 'ExternalName: an alias and its address',
    ask: question(`inner.${zone}`),
    expected: found(`CNAME web.${zone}`, 'A 10.0.0.50'),
  },
  {
    it: 'ExternalName: the alias itself',
    ask: question(`outer.${zone}`, 'CNAME'),
    expected: found('CNAME www.example.com'),
  },
  { it: 'a name below ExternalName: NXDOMAIN', ask: question(`front.inner.${zone}`), ...nxdomain },
  {
    it: 'a pod by its address',
    ask: question(`10-244-0-9.${namespace}.pod.${domain}`),
    expected: found('A 10.244.0.9'),
  },
  {
    it: 'a pod by its IPv6 address',
    ask: question(`2001-db8--9.${namespace}.pod.${domain}`, 'AAAA'),
    expected: found('AAAA 2001:db8::9'),
  },
  { it: 'a pod without address: NXDOMAIN', ask: question(`web-0.${namespace}.pod.${domain}`), ...nxdomain },
  { it: 'a pod of no namespace: NXDOMAIN', ask: question(`10-244-0-9.nope.pod.${domain}`), ...nxdomain },
  {
    it: 'the version of the specification',
    ask: question(`dns-version.${domain}`, 'TXT'),
    expected: found('TXT 1.1.0'),
  },
  {
    it: 'SOA of the domain',
    ask: question(domain, 'SOA'),
    expected: found(`SOA ns.dns.${domain} hostmaster.${domain}`),
  },
  {
    it: 'NS of the domain',
    ask: question(domain, 'NS'),
    expected: found(`NS ns.dns.${domain}`),
    coreDns: 'it names the Service of DNS',
  },
  { it: 'the domain has no address: NODATA', ask: question(domain), ...nodata },
];

/** Fails unless the reply is as the case demands. */
export function verify(reply: Reply, { expected, hasSoa }: Case): void {
  const { answers, ...others } = expected;
  expect(reply).toMatchObject(others);
  if (answers !== undefined) expect(reply.answers.toSorted()).toEqual(answers.toSorted());
  if (hasSoa) expect(reply.authorities).toEqual([expect.stringMatching(/^SOA /)]);
}

/** A TCP port of 127.0.0.1 that is free; the same of UDP is, too, but for a strange chance. */
export async function freePort(): Promise<number> {
  const probe = createServer().listen(0, '127.0.0.1');
  await once(probe, 'listening');
  const bound = probe.address();
  probe.close();
  return typeof bound === 'object' && bound !== null ? bound.port : 0;
}
