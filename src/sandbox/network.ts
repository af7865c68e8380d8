import { rmSync, writeFileSync } from 'node:fs';
import { BlockList } from 'node:net';
import { join } from 'node:path';
import { Failure } from '../lib/errors.ts';
import { namespacesOf } from './sandboxSpec.ts';
import type { SandboxNamespaces, SandboxSpec } from './sandboxSpec.ts';
import { runAt } from '../host/tool.ts';
import type { Argv } from '../host/tool.ts';

/**
 * On the host: connects the network namespace of a sandbox with the host's by a veth pair. The host reaches the node at
 * `nodeIp`. The node reaches only the host's end: its default route is unreachable, and the host forwards nothing for it.
 * Nothing else changes in the host's network, and the pair goes with the namespace.
 *
 * Writes the name of the host's end to `<run>/interface`.
 */
export async function connectToHost(
  { name, run, excludeSubnets }: SandboxSpec,
  { pid, path }: SandboxNamespaces,
): Promise<Subnet> {
  const place = { path, namespaces: namespacesOf(pid, 'pid') };
  const routes = await runAt(place, ['ip', '-json', '-4', 'route', 'show', 'table', 'all']);
  for (const subnet of freeSubnets(name, routes, excludeSubnets)) {
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
          `link set dev ${host} alias "k8s-single node ${name}" up`,
          `address add ${subnet.hostIp}/30 dev ${host}`,
        ),
        [
          'nsenter',
          ...namespacesOf(pid, 'net'),
          ...batch(
            join(run, 'network.node'),
            'link set dev eth0 up',
            `address add ${subnet.nodeIp}/30 dev eth0`,
            'link set dev lo up',
            'route add unreachable default',
          ),
        ],
      );
    } catch (error) {
      if (!isTaken(error, add)) throw error;
      rmSync(join(run, 'interface'));
      continue;
    }
    return subnet;
  }
  throw new Failure(
    'preflight',
    'no subnet is free for the node: every one of 172.30, 10.30 and 192.168 is routed',
    {
      hint: 'see "ip route", or run with --host',
    },
  );
}

/** Several commands of ip(8) in one process, through a file. Stops at the first that fails and names its line. */
function batch(file: string, ...commands: readonly string[]): Argv {
  writeFileSync(file, commands.map((command) => `${command}\n`).join(''));
  return ['ip', '-batch', file];
}

/** Of two nodes that start concurrently only one can create an interface of this name: the subnet is that node's. */
function isTaken(error: unknown, add: Argv): boolean {
  return (
    error instanceof Failure &&
    error.message.startsWith(add.join(' ')) &&
    error.message.includes('File exists')
  );
}

/** The /30 between a node and its host. */
interface Subnet {
  /** The name of the host's end. It is made of the subnet, so a name in use means a subnet in use. */
  readonly interface: string;
  readonly hostIp: string;
  readonly nodeIp: string;
}

/** 172.30 first; the others for hosts on which a network covers all of it (Docker uses 172.17 to 172.31). */
const pools = ['172.30', '10.30', '192.168'] as const;

/**
 * The subnets that a node can have, the best first, computed lazily: none that overlaps a route of the host. The first
 * candidate depends on the name, so that a node keeps its address and two nodes get different ones.
 * @param routes what `ip -json -4 route show table all` prints; a default route covers nothing
 * @param excluded further ranges
 * @internal exported for tests
 */
export function* freeSubnets(
  name: string,
  routes: string,
  excluded: readonly string[] = [],
): Generator<Subnet, void> {
  const table: readonly { readonly dst: string }[] = JSON.parse(routes);
  const routed = table.map(({ dst }) => dst);
  const taken = blockList([...routed.filter((dst) => dst !== 'default'), ...excluded]);
  const start = startOf(name);
  for (const pool of pools) {
    for (let offset = 0; offset < 256; offset++) {
      const third = (start + offset) % 256;
      if ([0, 1, 2, 3].some((last) => taken.check(`${pool}.${third}.${last}`))) continue;
      yield {
        interface: `k8s-${pool.replace('.', '-')}-${third}`,
        hostIp: `${pool}.${third}.1`,
        nodeIp: `${pool}.${third}.2`,
      };
    }
  }
}

/** From 0 to 255. Not a hash of node:crypto, which takes 1.5 ms to load. */
function startOf(name: string): number {
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
