import { isIPv4 } from 'node:net';
import { z } from 'zod';
import { contains, nthAddress, overlap, parseCidr, serverForm, serverHost } from './addresses.ts';
import { defaults } from './defaults.ts';
import { map, pattern, port, text } from './fields.ts';

const initial = defaults.network;

/** By the convention of kubeadm, the tenth address of the service range is the cluster's DNS. */
const dnsIndex = 10;

const cidr = () =>
  text('an IPv4 range like 10.0.0.0/24').superRefine((value, context) => {
    const range = parseCidr(value);
    if (typeof range === 'string') context.addIssue({ code: 'custom', message: range });
  });

const shape = map({
  podCidr: cidr()
    .default(initial.podCidr)
    .describe(`The IPv4 range of the pods' addresses. Default: ${initial.podCidr}.`),
  serviceCidr: cidr()
    .default(initial.serviceCidr)
    .describe(`The IPv4 range of the Services' cluster IPs. Default: ${initial.serviceCidr}.`),
  dnsIp: text('an IPv4 address')
    .refine((value) => isIPv4(value), { error: 'expected an IPv4 address' })
    .exactOptional()
    .describe('The cluster IP of the DNS Service. Default: the tenth address of serviceCidr.'),
  nodeSubnet: cidr()
    .exactOptional()
    .describe(
      'The IPv4 range, a /30 or larger, from which the subnet between host and node is taken. Default: one of 172.30, 10.30 or 192.168 that is free.',
    ),
  clusterDomain: pattern(/^[a-z0-9]([-.a-z0-9]*[a-z0-9])?$/, 'a domain name in lower case')
    .default(initial.clusterDomain)
    .describe(`The DNS domain of the Services. Default: ${initial.clusterDomain}.`),
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
  if (overlap(pods, services))
    refuse(
      'podCidr',
      `${network.podCidr} overlaps serviceCidr ${network.serviceCidr}: choose separate ranges`,
    );

  if (network.nodeSubnet !== undefined) {
    const flaw = nodeSubnetFlaw(network.nodeSubnet, network);
    if (flaw !== undefined) refuse('nodeSubnet', flaw);
  }

  const dnsIp = network.dnsIp ?? nthAddress(services, dnsIndex);
  if (dnsIp === undefined)
    refuse('serviceCidr', `${network.serviceCidr} has no tenth address for DNS: widen it or set dnsIp`);
  else if (!contains(services, dnsIp))
    refuse('dnsIp', `${dnsIp} is outside serviceCidr ${network.serviceCidr}`);

  const taken = new Map<number, string>();
  for (const key of ['apiserverPort', 'etcdPort', 'etcdPeerPort'] as const) {
    const other = taken.get(network[key]);
    if (other !== undefined) refuse(key, `${network[key]} is already the ${other}`);
    taken.set(network[key], key);
  }
  return { ...network, dnsIp: dnsIp ?? '' };
});

/** Ranges that no host uses for its links: this network, loopback, and everything from multicast on. */
const reserved = ['0.0.0.0/8', '127.0.0.0/8', '224.0.0.0/3'] as const;

/** A /16 has 16,384 subnets. */
const subnetSizes = { smallest: 2 ** (32 - 30), largest: 2 ** (32 - 16) } as const;

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
  const reservedRange = reserved.find(overlaps);
  if (reservedRange !== undefined) return `${nodeSubnet} overlaps ${reservedRange}, which is reserved`;
  for (const [key, other] of Object.entries({ podCidr, serviceCidr })) {
    if (overlaps(other)) return `${nodeSubnet} overlaps ${key} ${other}: choose separate ranges`;
  }
  return undefined;
}
