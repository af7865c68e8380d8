import { rmSync, writeFileSync } from 'node:fs';
import { BlockList } from 'node:net';
import { join } from 'node:path';
import { ipToNumber, numberToIp, overlap, parseCidr } from '../config/schema/addresses.ts';
import { interfaceAlias } from '../instance/cleanUp.ts';
import { commandLine } from '../lib/commandLine.ts';
import { Failure } from '../lib/errors.ts';
import { namespacesOf } from './sandboxSpec.ts';
import type { SandboxNamespaces, SandboxSpec } from './sandboxSpec.ts';
import { runAt } from '../host/tool.ts';
import type { Argv } from '../host/tool.ts';
import { closedRoutes } from '../host/egress.ts';
import { serviceRoute } from '../host/serviceRoute.ts';

/**
 * On the host: connects the network namespace of a sandbox with the host's by a veth pair. The host reaches the node at
 * `nodeIp`. The node reaches only the host's end: its default route is unreachable, and the host forwards nothing for it.
 * With `egress` pasta can add a better one.
 * Nothing else changes in the host's network, and the pair goes with the namespace.
 *
 * Writes the name of the host's end to `<run>/interface`.
 */
export async function connectToHost(spec: SandboxSpec, { pid, path }: SandboxNamespaces): Promise<Subnet> {
  const { name, run, nodeSubnet, excludeSubnets } = spec;
  const place = { path, namespaces: namespacesOf(pid, 'pid') };
  const routes = await runAt(place, listRoutes);
  for (const subnet of freeSubnets(name, routes, { nodeSubnet, exclude: excludeSubnets })) {
    const host = subnet.interface;
    const add: Argv = [
      'ip',
      ...`link add ${host} type veth peer name eth0 netns /proc/${pid}/ns/net`.split(' '),
    ];
    // Written before the interface exists: the clean-up waits until it is gone.
    writeFileSync(join(run, 'interface'), host);
    try {
      await runAt(
        place,
        add,
        batch(
          join(run, 'network.host'),
          `link set dev ${host} alias "${interfaceAlias(name)}" up`,
          `address add ${subnet.hostIp}/30 dev ${host}`,
        ),
        setUpInside(spec, pid, `${subnet.nodeIp}/30`),
      );
    } catch (error) {
      if (!isTaken(error, add)) throw error;
      rmSync(join(run, 'interface'));
      continue;
    }
    return subnet;
  }
  throw noSubnet(nodeSubnet, routes);
}

/** Sets up the network of a node that has an eth0: its address, such as `172.30.7.2/30`, and its routes. */
export function setUpInside(
  { run, serviceCidr, podCidr, egress }: SandboxSpec,
  pid: number,
  address: string,
): Argv {
  const [ip = ''] = address.split('/');
  const commands = [
    'link set dev eth0 up',
    `address add ${address} dev eth0`,
    'link set dev lo up',
    ...(egress === true && podCidr !== undefined ? closedRoutes(podCidr) : ['route add unreachable default']),
    ...(serviceCidr === undefined ? [] : [`route add ${serviceRoute(serviceCidr, ip).join(' ')}`]),
  ];
  return ['nsenter', ...namespacesOf(pid, 'net'), ...batch(join(run, 'network.node'), ...commands)];
}

/** What {@link connectToHost} takes from the spec of a sandbox. */
type SubnetChoice = Pick<SandboxSpec, 'name' | 'nodeSubnet' | 'excludeSubnets'>;

/**
 * The subnet that a sandbox would get now, such as `172.30.7.0/30`. Changes nothing.
 * @param path where ip(8) is looked for, like PATH
 * @throws Failure `preflight` when none is free
 */
export async function plannedSubnet(choice: SubnetChoice, path?: string): Promise<string> {
  const { name, nodeSubnet, excludeSubnets: exclude } = choice;
  const routes = await runAt({ path }, listRoutes);
  const [subnet] = freeSubnets(name, routes, { nodeSubnet, exclude });
  if (subnet === undefined) throw noSubnet(nodeSubnet, routes);
  return subnet.cidr;
}

/** Lists the routes of the host, for {@link freeSubnets}. */
export const listRoutes: Argv = ['ip', '-json', '-4', 'route', 'show', 'table', 'all'];

/** The failure when {@link freeSubnets} has none. */
export function noSubnet(nodeSubnet: string | undefined, routes: string): Failure {
  if (nodeSubnet === undefined)
    return new Failure(
      'preflight',
      'no subnet is free for the node: every one of 172.30, 10.30 and 192.168 is routed',
      { hint: 'see "ip route"; choose a range with network.nodeSubnet in a config, or run with --host' },
    );
  const inTheWay = rangesInTheWay(nodeSubnet, routes);
  const reason =
    inTheWay.length === 0 ? '' : `: ${inTheWay.join(', ')} ${inTheWay.length === 1 ? 'is' : 'are'} in it`;
  return new Failure(
    'preflight',
    `no subnet of network.nodeSubnet ${nodeSubnet} is free for the node${reason}`,
    { hint: 'see "ip route", and choose another range, or a larger one' },
  );
}

/** The first few addresses and links of the host in a range that was chosen, such as those of the host itself and its gateway. */
function rangesInTheWay(nodeSubnet: string, routes: string): string[] {
  const range = parseCidr(nodeSubnet);
  if (typeof range === 'string') throw new Error(range);
  const table: readonly Route[] = JSON.parse(routes);
  const ranges = table
    .flatMap((route) => rangesOf(route, ignoredInChosen[0]))
    .filter((each) => {
      const other = parseCidr(each.includes('/') ? each : `${each}/32`);
      return typeof other !== 'string' && overlap(range, other);
    });
  return [...new Set(ranges)].slice(0, 3);
}

/** Several commands of ip(8) in one process, through a file. Stops at the first that fails and names its line. */
export function batch(file: string, ...commands: readonly string[]): Argv {
  writeFileSync(file, commands.map((command) => `${command}\n`).join(''));
  return ['ip', '-batch', file];
}

/** Of two nodes that start concurrently only one can create an interface of this name: the subnet is that node's. */
export function isTaken(error: unknown, add: Argv): boolean {
  return (
    error instanceof Failure &&
    error.message.startsWith(commandLine(add)) &&
    error.message.includes('File exists')
  );
}

/** A subnet of a node and its host. */
interface Subnet {
  /** The name of the host's end. It is made of the subnet, so a name in use means a subnet in use. */
  readonly interface: string;
  readonly hostIp: string;
  /** The address of its first node. */
  readonly nodeIp: string;
  /** The whole of it, such as `172.30.7.0/30`. */
  readonly cidr: string;
}

/** Subnets in a range: `count` of them, each with `size` addresses, and `step` addresses from one to the next. */
interface Pool {
  readonly first: number;
  readonly count: number;
  readonly step: number;
  readonly size: number;
}

/** Of the subnet of one node and its host, a /30. */
const pairSize = 4;

/** 172.30 first; the others for hosts on which a network covers all of it (Docker uses 172.17 to 172.31). */
const defaultRanges = ['172.30.0.0', '10.30.0.0', '192.168.0.0'];

function defaultPool(ip: string, size: number): Pool {
  return { first: ipToNumber(ip), count: 256, step: 256, size };
}

/**
 * Prefix lengths up to which a route does not count, in rounds. A /30 is more specific than any of these routes, so it takes
 * four addresses from such a network and works. Parts of a default route first (a VPN covers it by 0.0.0.0/1 and
 * 128.0.0.0/1); then, only if nothing else is free, the networks of an office: 10/8, 172.16/12, and 192.168/16.
 */
const ignoredPrefixes = [7, 12, 16] as const;

/** A range that was chosen is trusted: only an address or a link of the host in it is in the way. */
const ignoredInChosen = [29] as const;

/** A route as `ip -json -4 route show table all` prints it. The main table is not named. */
interface Route {
  readonly dst: string;
  readonly dev?: string;
  readonly gateway?: string;
  readonly table?: string;
}

/**
 * The subnets that a node can have, the best first, computed lazily: none that a route of the host needs for itself. The first
 * candidate depends on the name, so that a node keeps its address and two nodes get different ones.
 * @param routes what `ip -json -4 route show table all` prints; a default route covers nothing
 * @param nodeSubnet the range to choose from; by default, the pools above
 * @param exclude further ranges
 * @param size of each subnet, a power of two up to 256
 */
export function* freeSubnets(
  name: string,
  routes: string,
  { nodeSubnet, exclude = [], size = pairSize }: SubnetOptions = {},
): Generator<Subnet, void> {
  const table: readonly Route[] = JSON.parse(routes);
  const pools =
    nodeSubnet === undefined
      ? defaultRanges.map((range) => defaultPool(range, size))
      : [poolOf(nodeSubnet, size)];
  const offered = new Set<number>();
  for (const ignored of nodeSubnet === undefined ? ignoredPrefixes : ignoredInChosen) {
    const taken = blockList([...table.flatMap((route) => rangesOf(route, ignored)), ...exclude]);
    for (const pool of pools) {
      for (const first of candidates(pool, name)) {
        const addresses = Array.from({ length: pool.size }, (_, index) => numberToIp(first + index));
        if (offered.has(first) || addresses.some((address) => taken.check(address))) continue;
        offered.add(first);
        const cidr = `${addresses[0]}/${32 - Math.log2(pool.size)}`;
        yield { interface: interfaceOf(first), hostIp: addresses[1]!, nodeIp: addresses[2]!, cidr };
      }
    }
  }
}

interface SubnetOptions {
  readonly nodeSubnet?: string | undefined;
  readonly exclude?: readonly string[] | undefined;
  readonly size?: number;
}

function poolOf(cidr: string, wanted: number): Pool {
  const range = parseCidr(cidr);
  if (typeof range === 'string') throw new Error(range);
  const size = Math.min(wanted, range.size);
  return { first: range.first, count: range.size / size, step: size, size };
}

function candidates({ first, count, step }: Pool, name: string): number[] {
  const start = startOf(name);
  return Array.from({ length: count }, (_, offset) => first + ((start + offset) % count) * step);
}

/** The ranges in which no node can be because of this route. The routes of other tables may precede those of the main one. */
function rangesOf({ dst, dev, gateway, table }: Route, ignoredPrefix: number): string[] {
  const gateways = gateway === undefined ? [] : [gateway];
  const prefix = Number(dst.split('/')[1] ?? 32);
  // That of a cluster is one of ours, whatever its size.
  const isOurs = dev?.startsWith(interfacePrefix) === true;
  const counts = dst !== 'default' && (prefix > ignoredPrefix || table !== undefined || isOurs);
  return counts ? [dst, ...gateways] : gateways;
}

const interfacePrefix = 'k8s-';

/** At most the 15 characters that the kernel takes. */
function interfaceOf(first: number): string {
  return first % 256 === 0
    ? `${interfacePrefix}${numberToIp(first).split('.').slice(0, 3).join('-')}`
    : `${interfacePrefix}${first.toString(16).padStart(8, '0')}`;
}

/** A number of a name, from 0 to 255. Not a hash of node:crypto, which takes 1.5 ms to load. */
export function startOf(name: string): number {
  return Buffer.from(name).reduce((place, byte) => (place * 31 + byte) % 256, 0);
}

function blockList(ranges: readonly string[]): BlockList {
  const list = new BlockList();
  for (const range of ranges) {
    const [address = '', prefix = '32'] = range.split('/');
    list.addSubnet(address, Number(prefix), 'ipv4');
  }
  return list;
}
