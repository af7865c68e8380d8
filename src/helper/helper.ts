import { setMaxListeners } from 'node:events';
import { BlockList } from 'node:net';
import { networkInterfaces } from 'node:os';
import { contains, parseCidr } from '../config/schema/addresses.ts';
import { readEndpointSlice, readNamed, readService } from './cluster/objects.ts';
import type { Store } from './cluster/store.ts';
import { Watches } from './cluster/watches.ts';
import { Resolver } from './dns/resolver.ts';
import { serveDns } from './dns/server.ts';
import { Upstream } from './dns/upstream.ts';
import { Zone } from './dns/zone.ts';
import { serveHealth } from './health.ts';
import type { Check } from './health.ts';
import { runLoadBalancer } from './loadBalancer/loadBalancer.ts';
import type { DnsOptions, HelperOptions } from './options.ts';
import { runProvisioner } from './storage/provisioner.ts';
import { runApprover } from './workers/approver.ts';
import { nodes } from './workers/node.ts';
import type { ClusterNode } from './workers/node.ts';
import { runRanges } from './workers/ranges.ts';
import { runTaints } from './workers/taints.ts';
import { runVolumes } from './workers/volumes.ts';
import { runRoutes } from './workers/routes.ts';

/**
 * Runs what the helper process does for the cluster, until the signal aborts. Its parts share the watches, so that a
 * resource is in memory once.
 */
export async function runHelper(options: HelperOptions, signal: AbortSignal): Promise<void> {
  const { api, healthSocket, dns, storage, volumes, loadBalancer, routes, workers } = options;
  // Each watch and each part adds one, once.
  setMaxListeners(0, signal);
  const watches = new Watches(api, signal);
  const checks = new Map<string, Check>();
  checks.set('watches', () => watches.failure);
  if (storage !== undefined) checks.set('storage', runProvisioner(storage, watches, signal));
  if (volumes !== undefined) runVolumes(volumes, watches, signal);
  if (loadBalancer !== undefined) runLoadBalancer(loadBalancer, watches, signal);
  if (routes !== undefined) checks.set('routes', runRoutes(routes, watches, signal));
  if (workers !== undefined) {
    runRanges(workers, watches, signal);
    runTaints(workers, watches, signal);
    runApprover(workers, watches, signal);
  }
  // Where there are other nodes, their programs may ask, too.
  const hasOthers = routes !== undefined || dns?.isShared === true;
  const known = hasOthers ? watches.store(nodes) : undefined;
  await using _dns = dns === undefined ? undefined : await runDns(dns, watches, known);
  await using _health = await serveHealth(healthSocket, checks);
  await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }));
}

async function runDns(
  options: DnsOptions,
  watches: Watches,
  known: Store<ClusterNode> | undefined,
): Promise<AsyncDisposable> {
  const { address, port, domain, serviceIp, discoveryVersion, upstreams, resolvConf } = options;
  const cluster = {
    namespaces: watches.store({ path: '/api/v1/namespaces', read: readNamed }),
    services: watches.store({ path: '/api/v1/services', read: readService }),
    slices: watches.store({
      path: `/apis/discovery.k8s.io/${discoveryVersion}/endpointslices`,
      read: readEndpointSlice,
    }),
  };
  const ranges = new BlockList();
  for (const range of options.clusterRanges) {
    const [first = '', prefix = ''] = range.split('/');
    ranges.addSubnet(first, Number(prefix));
  }
  const isClusterAddress = (ip: string): boolean => !ip.includes(':') && ranges.check(ip);
  const isOwn = (ip: string): boolean => ip === address || ip === serviceIp;
  const zone = new Zone(cluster, { domain, dnsIp: serviceIp, isClusterAddress });
  const upstream = new Upstream({ servers: upstreams, resolvConf, isOwn });
  const isAllowed = (client: string): boolean =>
    isClusterAddress(client) ||
    isAddressOfThisNode(client) ||
    [...(known?.values() ?? [])].some((node) => isOfNode(node, client));
  const server = await serveDns({ address, port, isAllowed, resolver: new Resolver(zone, upstream) });
  console.error(`serving ${domain} on ${address}:${port}`);
  return server;
}

function isOfNode({ addresses, podCidr }: ClusterNode, ip: string): boolean {
  const pods = parseCidr(podCidr);
  return addresses.includes(ip) || (typeof pods !== 'string' && contains(pods, ip));
}

/** Programs on the node, also by way of a cluster IP, have one of its addresses. */
function isAddressOfThisNode(ip: string): boolean {
  return Object.values(networkInterfaces()).some((addresses) =>
    addresses?.some(({ address }) => address === ip),
  );
}
