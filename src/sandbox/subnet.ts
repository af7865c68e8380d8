import { BlockList } from 'node:net';

/** The four addresses between a node and its host. */
export interface Subnet {
  /** The name of the host's end: it says which subnet it is, so a name that is taken means a subnet that is taken. */
  readonly interface: string;
  readonly hostIp: string;
  readonly nodeIp: string;
}

/** First 172.30, then others, for hosts on which a network lies over all of it (Docker hands out 172.17 to 172.31). */
const pools = ['172.30', '10.30', '192.168'] as const;

/**
 * The subnets for a node, the best first, each looked for when it is asked for: none that a route of the host covers. They
 * begin at a place that depends on the name, so that a node gets the same address each time and two nodes get different ones.
 *
 * `routes`: what `ip -json -4 route show table all` prints; a default route covers nothing. `avoid`: more ranges.
 */
export function* freeSubnets(
  name: string,
  routes: string,
  avoid: readonly string[] = [],
): Generator<Subnet, void> {
  const table: readonly { readonly dst: string }[] = JSON.parse(routes);
  const routed = table.map(({ dst }) => dst);
  const taken = blockList([...routed.filter((dst) => dst !== 'default'), ...avoid]);
  const start = placeOf(name);
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

/** From 0 to 255. No hash of node:crypto, which would take a start of a node 1.5 ms to load. */
function placeOf(name: string): number {
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
