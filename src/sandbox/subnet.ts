import { BlockList } from 'node:net';

/** The /30 between a node and its host. */
export interface Subnet {
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
