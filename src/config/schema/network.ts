import { isIPv4 } from 'node:net';
import { z } from 'zod';
import { defaults } from '../components/defaults.ts';
import { contains, nthAddress, overlap, parseCidr } from './cidr.ts';
import { map, pattern, port, text } from './fields.ts';
import { serverForm, serverHost } from './serverUrl.ts';

/** The service range's tenth address is the cluster's DNS by the convention of kubeadm and the seeds. */
const dnsIndex = 10;

const cidr = () =>
  text('an IPv4 range like 10.0.0.0/24').superRefine((value, context) => {
    const range = parseCidr(value);
    if (typeof range === 'string') context.addIssue({ code: 'custom', message: range });
  });

const shape = map({
  podCidr: cidr().default(defaults.network.podCidr).describe('Where pods get their addresses.'),
  serviceCidr: cidr().default(defaults.network.serviceCidr).describe('Where Services get their cluster IPs.'),
  dnsIp: text('an IPv4 address')
    .refine((value) => isIPv4(value), { error: 'expected an IPv4 address' })
    .exactOptional()
    .describe("The cluster IP of the DNS Service. Default: the service range's tenth address."),
  clusterDomain: pattern(/^[a-z0-9]([-.a-z0-9]*[a-z0-9])?$/, 'a domain name in lower case')
    .default(defaults.network.clusterDomain)
    .describe('The domain that Services are found under.'),
  apiserverPort: port().prefault(defaults.network.apiserverPort).describe("The API server's port."),
  server: text(serverForm)
    .refine((value) => serverHost(value) !== undefined, { error: `expected ${serverForm}` })
    .exactOptional()
    .describe(
      'Where others reach the API server, when not at its own address: for its certificate and the kubeconfig.',
    ),
  etcdPort: port().prefault(defaults.network.etcdPort).describe("etcd's port for clients, on 127.0.0.1."),
  etcdPeerPort: port()
    .prefault(defaults.network.etcdPeerPort)
    .describe("etcd's port for peers, on 127.0.0.1."),
});

/** The ranges, names and ports of the node. They are checked against each other, too. */
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

  const dnsIp = network.dnsIp ?? nthAddress(services, dnsIndex);
  if (dnsIp === undefined)
    refuse('serviceCidr', `${network.serviceCidr} has no tenth address for DNS: widen it or set dnsIp`);
  else if (!contains(services, dnsIp))
    refuse('dnsIp', `${dnsIp} is outside serviceCidr ${network.serviceCidr}`);

  const taken = new Map<number, string>();
  for (const key of ['apiserverPort', 'etcdPort', 'etcdPeerPort'] as const) {
    const other = taken.get(network[key]);
    if (other !== undefined) refuse(key, `${network[key]} is the ${other} already`);
    taken.set(network[key], key);
  }
  return { ...network, dnsIp: dnsIp ?? '' };
});
