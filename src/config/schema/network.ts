import { isIPv4 } from 'node:net';
import { z } from 'zod';
import {
  contains,
  dnsServerForm,
  isDomain,
  nthAddress,
  overlap,
  parseCidr,
  parseDnsServer,
  serverForm,
  serverHost,
} from './addresses.ts';
import type { Cidr } from './addresses.ts';
import { defaults } from './defaults.ts';
import { list, map, oneOf, port, text } from './fields.ts';

const initial = defaults.network;

/** By the convention of kubeadm, the tenth address of the service range is the cluster's DNS. */
const dnsIndex = 10;

const cidr = () =>
  text('an IPv4 range like 10.0.0.0/24').superRefine((value, context) => {
    const range = parseCidr(value);
    if (typeof range === 'string') context.addIssue({ code: 'custom', message: range });
  });

/** The longest name of the API server's certificate, `kubernetes.default.svc.DOMAIN`, is a DNS name: at most 253 characters. */
const maxDomainLength = 253 - 'kubernetes.default.svc.'.length;

const shape = map({
  podCidr: cidr()
    .default(initial.podCidr)
    .describe(`The IPv4 range of the pods' addresses, /8 to /30. Default: ${initial.podCidr}.`),
  clusterCidr: cidr()
    .exactOptional()
    .describe(
      `The IPv4 range of the pods of all nodes; those of each worker get a part of it that is as large as podCidr. Default: the /16 around podCidr, or podCidr itself if that /16 overlaps serviceCidr.`,
    ),
  serviceCidr: cidr()
    .default(initial.serviceCidr)
    .describe(`The IPv4 range of the Services' cluster IPs, /12 to /29. Default: ${initial.serviceCidr}.`),
  dnsIp: text('an IPv4 address')
    .refine((value) => isIPv4(value), { error: 'expected an IPv4 address' })
    .exactOptional()
    .describe('The cluster IP of the DNS Service. Default: the tenth address of serviceCidr.'),
  nodeSubnet: cidr()
    .exactOptional()
    .describe(
      'The IPv4 range, a /30 or larger, from which the subnet between host and node is taken. Default: one of 172.30, 10.30 or 192.168 that is free.',
    ),
  egress: oneOf(['auto', 'pasta', 'none'])
    .exactOptional()
    .describe(
      'How a node in its own namespaces reaches other machines. `pasta`: through pasta(1), or the start fails; `auto`: through pasta if this machine has it, /dev/net/tun and a default route; `none`: not at all. Default: $K8S_SINGLE_EGRESS, or auto.',
    ),
  clusterDomain: text('a domain name in lower case')
    .refine((value) => isDomain(value, maxDomainLength), {
      error: `expected a domain name in lower case, of at most ${maxDomainLength} characters and 63 between two dots`,
    })
    .default(initial.clusterDomain)
    .describe(`The DNS domain of the Services. Default: ${initial.clusterDomain}.`),
  upstreamDns: list(
    text(dnsServerForm).refine((value) => parseDnsServer(value) !== undefined, {
      error: `expected ${dnsServerForm}`,
    }),
  )
    .exactOptional()
    .describe(
      "The DNS servers to ask for names outside the cluster, in this order. Default: those of the host's resolv.conf for a node on the host itself or in a container; that of egress, if any, for a node in its own namespaces.",
    ),
  apiserverPort: port()
    .prefault(initial.apiserverPort)
    .describe(`The port of the API server. Default: ${initial.apiserverPort}.`),
  server: text(serverForm)
    .refine((value) => serverHost(value) !== undefined, { error: `expected ${serverForm}` })
    .exactOptional()
    .describe(
      "The URL of the API server for clients that do not reach it at the node's own address, such as a published port." +
        " It is used in the kubeconfig and in the server certificate. Default: $K8S_SINGLE_SERVER, or the node's own address.",
    ),
  etcdPort: port()
    .prefault(initial.etcdPort)
    .describe(`etcd's client port on 127.0.0.1. Default: ${initial.etcdPort}.`),
  etcdPeerPort: port()
    .prefault(initial.etcdPeerPort)
    .describe(`etcd's peer port on 127.0.0.1. Default: ${initial.etcdPeerPort}.`),
});

/** The ranges, names and ports of the node, also checked against each other. */
export const networkSchema = shape.transform((network, context) => {
  const refuse = (key: keyof typeof network, message: string) =>
    context.addIssue({ code: 'custom', path: [key], message });

  const pods = parseCidr(network.podCidr);
  const services = parseCidr(network.serviceCidr);
  if (typeof pods === 'string' || typeof services === 'string') return z.NEVER;
  for (const [key, range] of [['podCidr', pods] as const, ['serviceCidr', services] as const]) {
    const flaw = sizeFlaw(key, range) ?? reservedFlaw(network[key], range, unroutable);
    if (flaw !== undefined) refuse(key, flaw);
  }
  if (overlap(pods, services))
    refuse(
      'podCidr',
      `${network.podCidr} overlaps serviceCidr ${network.serviceCidr}: choose separate ranges`,
    );

  const clusterCidr = network.clusterCidr ?? clusterRangeOf(network.podCidr, services);
  const cluster = parseCidr(clusterCidr);
  if (network.clusterCidr !== undefined && typeof cluster !== 'string') {
    const isAround = cluster.first <= pods.first && cluster.first + cluster.size >= pods.first + pods.size;
    const flaw = reservedFlaw(clusterCidr, cluster, unroutable);
    if (!isAround) refuse('clusterCidr', `${clusterCidr} does not contain podCidr ${network.podCidr}`);
    else if (flaw !== undefined) refuse('clusterCidr', flaw);
    else if (overlap(cluster, services))
      refuse(
        'clusterCidr',
        `${clusterCidr} overlaps serviceCidr ${network.serviceCidr}: choose separate ranges`,
      );
  }

  if (network.nodeSubnet !== undefined) {
    const flaw = nodeSubnetFlaw(network.nodeSubnet, network);
    if (flaw !== undefined) refuse('nodeSubnet', flaw);
  }

  const dnsIp = network.dnsIp ?? nthAddress(services, dnsIndex);
  if (dnsIp === undefined)
    refuse('serviceCidr', `${network.serviceCidr} has no tenth address for DNS: widen it or set dnsIp`);
  else if (!contains(services, dnsIp))
    refuse('dnsIp', `${dnsIp} is outside serviceCidr ${network.serviceCidr}`);
  else if (dnsIp === nthAddress(services, 1)) refuse('dnsIp', `${dnsIp} is the API server's own cluster IP`);
  else if (dnsIp === nthAddress(services, 0) || dnsIp === nthAddress(services, services.size - 1))
    refuse('dnsIp', `${dnsIp} is the first or the last address of serviceCidr, which no Service can have`);

  const taken = new Map<number, string>(fixedPorts);
  for (const key of ['apiserverPort', 'etcdPort', 'etcdPeerPort'] as const) {
    const other = taken.get(network[key]);
    if (other !== undefined) refuse(key, `${network[key]} is already the ${other}`);
    taken.set(network[key], key);
  }
  return { ...network, clusterCidr, dnsIp: dnsIp ?? '' };
});

/**
 * Ports of the components that no setting changes, in any version: see `ports` in src/kubernetes/components/.
 * @internal exported for tests
 */
export const fixedPorts: ReadonlyMap<number, string> = new Map([
  ...[10_248, 10_250].map((number) => [number, 'port of the kubelet'] as const),
  ...[10_249, 10_256].map((number) => [number, 'port of kube-proxy'] as const),
  ...[10_251, 10_259].map((number) => [number, 'port of the scheduler'] as const),
  ...[10_252, 10_257].map((number) => [number, 'port of the controller manager'] as const),
  [10_053, 'port of the DNS server'],
]);

/** This network, loopback, and link-local and multicast addresses: Kubernetes refuses them for endpoints and nodes. */
const unroutable = ['0.0.0.0/8', '127.0.0.0/8', '169.254.0.0/16', '224.0.0.0/4'] as const;

/** No host uses these for its links. */
const noLinks = [...unroutable, '240.0.0.0/4'] as const;

/** The default range of the pods of all nodes. */
function clusterRangeOf(podCidr: string, services: Cidr): string {
  const [ip = '', prefix = ''] = podCidr.split('/');
  const around = `${ip.split('.').slice(0, 2).join('.')}.0.0/16`;
  const range = parseCidr(around);
  const isFree = typeof range !== 'string' && !overlap(range, services);
  return Number(prefix) > 16 && isFree ? around : podCidr;
}

/** A /16 has 16,384 subnets. */
const subnetSizes = { smallest: 2 ** (32 - 30), largest: 2 ** (32 - 16) } as const;

/**
 * The prefixes that the components accept, shortest first. Services: kube-apiserver (cmd/kube-apiserver/app/options/validation.go
 * and RangeSize in pkg/controlplane/services.go). Pods: the CNI plugin host-local needs two addresses besides first and last.
 */
const prefixes = {
  podCidr: { first: 8, last: 30, why: 'the CNI plugin needs a /30 at least' },
  serviceCidr: { first: 12, last: 29, why: 'the API server accepts /12 to /29' },
} as const;

/** Why a component refuses the size of the range; undefined if it does not. */
function sizeFlaw(key: keyof typeof prefixes, { size }: Cidr): string | undefined {
  const { first, last, why } = prefixes[key];
  const isAccepted = size >= 2 ** (32 - last) && size <= 2 ** (32 - first);
  return isAccepted ? undefined : `expected a range from /${first} to /${last}: ${why}`;
}

function reservedFlaw(name: string, range: Cidr, ranges: readonly string[]): string | undefined {
  const found = ranges.find((each) => {
    const parsed = parseCidr(each);
    return typeof parsed !== 'string' && overlap(range, parsed);
  });
  return found === undefined ? undefined : `${name} overlaps ${found}, which is reserved`;
}

/** Why the range is none for the subnet between host and node; undefined if it is one. */
function nodeSubnetFlaw(
  nodeSubnet: string,
  { podCidr, serviceCidr }: { readonly podCidr: string; readonly serviceCidr: string },
): string | undefined {
  const range = parseCidr(nodeSubnet);
  // Refused by the field itself.
  if (typeof range === 'string') return undefined;
  const { smallest, largest } = subnetSizes;
  if (range.size < smallest || range.size > largest)
    return 'expected a range from /16 to /30, like 172.30.7.0/30';
  const overlaps = (other: string): boolean => {
    const parsed = parseCidr(other);
    return typeof parsed !== 'string' && overlap(range, parsed);
  };
  const flaw = reservedFlaw(nodeSubnet, range, noLinks);
  if (flaw !== undefined) return flaw;
  for (const [key, other] of Object.entries({ podCidr, serviceCidr })) {
    if (overlaps(other)) return `${nodeSubnet} overlaps ${key} ${other}: choose separate ranges`;
  }
  return undefined;
}
