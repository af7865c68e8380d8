import { isIPv4 } from 'node:net';
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { listAt, parseJson, textAt } from '../../../probes/transport/json.ts';
import { overlap, parseCidr } from '../../config/schema/addresses.ts';
import { chainPrefix, keepNatChains, masquerade } from '../../host/natChain.ts';
import { reasonOf } from '../../lib/errors.ts';
import { reconcileOnChange } from '../cluster/reconcile.ts';
import type { Watches } from '../cluster/watches.ts';
import type { Check } from '../health.ts';
import type { RoutesOptions } from '../options.ts';
import { nodes } from './node.ts';
import type { ClusterNode } from './node.ts';

const execute = promisify(execFile);

/** Marks our routes (`proto` of ip-route(8)): all with this number are ours. None of /etc/iproute2/rt_protos. */
export const routeProtocol = '93';

const chain = `${chainPrefix}NODES`;

/**
 * Keeps a route to the pods of each other node, by way of that node, until the signal aborts; and lets packets for other nodes and
 * their pods keep the address of the pod that sends them. Returns a check that passes when all routes are there.
 */
export function runRoutes(options: RoutesOptions, watches: Watches, signal: AbortSignal): Check {
  const known = watches.store(nodes);
  let failure: string | undefined = 'the routes to other nodes were not made yet';
  const reconcile = async (): Promise<void> => {
    if (!known.isSynced) return;
    const before = failure;
    failure = await synchronize(options, [...known.values()]).catch(reasonOf);
    if (failure !== undefined && failure !== before) console.error(failure);
  };
  reconcileOnChange([known], reconcile, signal);
  return () => failure;
}

/** Returns why not all routes are there. */
async function synchronize(options: RoutesOptions, all: readonly ClusterNode[]): Promise<string | undefined> {
  const { nodeName, clusterCidr, programs } = options;
  const own = all.find(({ name }) => name === nodeName);
  if (own === undefined || own.podCidr === '') return `node ${nodeName} has no range for its pods yet`;
  const others = routableNodes(all, own, clusterCidr);
  const routes = await ourRoutes(programs.ip);
  const failures: string[] = [];
  for (const [range] of [...routes].filter(([each]) => !others.some(({ podCidr }) => podCidr === each)))
    await execute(programs.ip, ['route', 'delete', range, 'proto', routeProtocol]);
  for (const { name, podCidr, internalIp } of others.filter(
    (each) => routes.get(each.podCidr) !== each.internalIp,
  )) {
    const route = ['route', 'replace', podCidr, 'via', internalIp, 'proto', routeProtocol];
    await execute(programs.ip, route).catch((error: unknown) => {
      failures.push(`no route to the pods of node ${name}, ${podCidr} via ${internalIp}: ${lastLine(error)}`);
    });
  }
  const packetFilter = { save: programs.iptablesSave, restore: programs.iptablesRestore };
  const toOthers = others.flatMap((node) => [
    `-d ${node.podCidr} -j ACCEPT`,
    `-d ${node.internalIp}/32 -j ACCEPT`,
  ]);
  // Packets of pods get the address of their node, except to other nodes. Both: a firewall of the machine may have flushed its rules.
  await keepNatChains(packetFilter, [
    { name: chain, source: own.podCidr, rules: toOthers, isFirst: true },
    masquerade(clusterCidr),
  ]);
  return failures[0];
}

/**
 * The other nodes to whose pods there can be a route. A node says of itself what its range is: only one in the range of the cluster
 * that overlaps no other counts.
 * @internal exported for tests
 */
export function routableNodes(
  all: readonly ClusterNode[],
  own: ClusterNode,
  clusterCidr: string,
): readonly ClusterNode[] {
  const cluster = parseCidr(clusterCidr);
  if (typeof cluster === 'string') return [];
  return all.filter((node) => {
    const range = parseCidr(node.podCidr);
    if (node === own || typeof range === 'string' || !isIPv4(node.internalIp)) return false;
    const isInside = range.first >= cluster.first && range.first + range.size <= cluster.first + cluster.size;
    const isShared = all.some((other) => {
      const theirs = parseCidr(other.podCidr);
      return other !== node && typeof theirs !== 'string' && overlap(range, theirs);
    });
    return isInside && !isShared;
  });
}

/** The gateways of our routes by their ranges. */
async function ourRoutes(program: string): Promise<Map<string, string>> {
  const { stdout } = await execute(program, ['-json', 'route', 'show', 'proto', routeProtocol]);
  return new Map(listAt(parseJson(stdout)).map((route) => [textAt(route, 'dst'), textAt(route, 'gateway')]));
}

function lastLine(error: unknown): string {
  return reasonOf(error).trim().split('\n').at(-1) ?? '';
}
