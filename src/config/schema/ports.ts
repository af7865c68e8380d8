import { isIP, isIPv6 } from 'node:net';

/** A port of the host that leads to one of the node. */
export interface PortMapping {
  /** An IP address of the host, without brackets. */
  readonly address: string;
  /** 0: any free port. */
  readonly port: number;
  readonly nodePort: number;
  readonly protocol: 'tcp' | 'udp';
}

const form = '[ADDRESS:]HOST:NODE[/udp], like 8080:80, 0.0.0.0:8080:80 or [::1]:5353:53/udp';
const syntax = /^(?:(\[[^\]]*\]|[^:[\]]*):)?(\d{1,9}):(\d{1,9})(?:\/(\w+))?$/;
const maxPort = 65_535;

/** Parses a mapping such as `127.0.0.1:8080:80/tcp`; returns an error message if it is invalid. */
export function parsePort(text: string): PortMapping | string {
  const match = syntax.exec(text);
  if (match === null) return `expected ${form}`;
  const [, host = '127.0.0.1', hostPort, onNode, protocol = 'tcp'] = match;
  const address = host === 'localhost' ? '127.0.0.1' : host.replace(/^\[(.*)\]$/, '$1');
  if (isIP(address) === 0 || isIPv6(address) !== host.startsWith('['))
    return `"${host}" is no IP address: expected ${form}`;
  const [port, nodePort] = [Number(hostPort), Number(onNode)];
  if (port > maxPort) return `the port of the host is ${port}: expected 0, for any free one, to ${maxPort}`;
  if (nodePort < 1 || nodePort > maxPort)
    return `the port of the node is ${nodePort}: expected 1 to ${maxPort}`;
  if (protocol !== 'tcp' && protocol !== 'udp') return `the protocol is "${protocol}": expected tcp or udp`;
  return { address, port, nodePort, protocol };
}

/** Parses mappings that have been checked. */
export function parsePorts(texts: readonly string[]): PortMapping[] {
  return texts.map((text) => {
    const mapping = parsePort(text);
    if (typeof mapping === 'string') throw new Error(`${text}: ${mapping}`);
    return mapping;
  });
}

/** The mapping that asks for the same port of the host as an earlier one, and why; undefined if there is none. */
export function duplicatePort(texts: readonly string[]): { index: number; reason: string } | undefined {
  const mappings = parsePorts(texts);
  for (const [index, later] of mappings.entries()) {
    const earlier = mappings.slice(0, index).findIndex((each) => isSamePort(each, later));
    if (earlier !== -1) return { index, reason: `${texts[earlier]} has the same port of the host` };
  }
  return undefined;
}

function isSamePort(a: PortMapping, b: PortMapping): boolean {
  const isSame = a.port === b.port && a.port !== 0 && a.protocol === b.protocol;
  const isSameFamily = isIPv6(a.address) === isIPv6(b.address);
  const hasAll = [a, b].some(({ address }) => address === '0.0.0.0' || address === '::');
  return isSame && isSameFamily && (hasAll || a.address === b.address);
}

/** Such as `127.0.0.1:8080` or `[::1]:8080`. */
export function hostEnd({ address, port }: PortMapping): string {
  return `${isIPv6(address) ? `[${address}]` : address}:${port}`;
}

/** Such as `127.0.0.1:8080 -> 80/tcp`, for people. */
export function describePort(mapping: PortMapping): string {
  return `${hostEnd(mapping)} -> ${mapping.nodePort}/${mapping.protocol}`;
}
