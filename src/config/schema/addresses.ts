import { isIP, isIPv4 } from 'node:net';

/** An IPv4 range: its first address as a number, and its number of addresses. */
export interface Cidr {
  readonly first: number;
  readonly size: number;
}

/** Parses a range like `10.0.0.0/24`; returns an error message if it is invalid. Host bits must be 0, as in Kubernetes. */
export function parseCidr(text: string): Cidr | string {
  const [ip = '', prefix = '', ...rest] = text.split('/');
  if (!isIPv4(ip) || !/^\d{1,2}$/.test(prefix) || Number(prefix) > 32 || rest.length > 0)
    return 'expected an IPv4 range like 10.0.0.0/24';
  const size = 2 ** (32 - Number(prefix));
  const address = ipToNumber(ip);
  const first = address - (address % size);
  if (first !== address) return `${text} has host bits set: write ${numberToIp(first)}/${prefix}`;
  return { first, size };
}

/** Whether the ranges have an address in common. */
export function overlap(a: Cidr, b: Cidr): boolean {
  return a.first < b.first + b.size && b.first < a.first + a.size;
}

/** Whether the address is in the range. */
export function contains(range: Cidr, ip: string): boolean {
  const address = ipToNumber(ip);
  return address >= range.first && address < range.first + range.size;
}

/** The address at offset `n` (`10.0.0.0/24`, 10: `10.0.0.10`); undefined if the range is too small. */
export function nthAddress(range: Cidr, n: number): string | undefined {
  return n < range.size ? numberToIp(range.first + n) : undefined;
}

/**
 * The first usable address: `10.0.0.1` of `10.0.0.0/24`. In the service range it is the API server's own cluster IP.
 * @throws RangeError when the range is invalid or a /32.
 */
export function firstAddress(cidr: string): string {
  const range = parseCidr(cidr);
  const first = typeof range === 'string' ? undefined : nthAddress(range, 1);
  if (first === undefined) throw new RangeError(`${cidr} has no usable address`);
  return first;
}

/** The IPv4 address as a number. */
export function ipToNumber(ip: string): number {
  return ip.split('.').reduce((sum, byte) => sum * 256 + Number(byte), 0);
}

/** The number as an IPv4 address. */
export function numberToIp(address: number): string {
  return [24, 16, 8, 0].map((shift) => Math.floor(address / 2 ** shift) % 256).join('.');
}

/** A TCP port on a loopback address. */
export interface Listen {
  readonly host: string;
  /** 0: any free port. */
  readonly port: number;
}

/** Parses `127.0.0.1:9990`, `localhost:9990` or `[::1]:9990`; undefined for anything else. */
export function parseListen(text: string): Listen | undefined {
  const [, name = '', digits = ''] = /^(.+):(\d{1,5})$/.exec(text) ?? [];
  const host = { localhost: '127.0.0.1', '[::1]': '::1' }[name] ?? name;
  const port = Number(digits);
  const isLoopback = host === '::1' || (isIPv4(host) && host.startsWith('127.'));
  return digits !== '' && isLoopback && port <= 65_535 ? { host, port } : undefined;
}

const dnsLabel = /^(?=.{1,63}$)[a-z0-9](?:[-a-z0-9]*[a-z0-9])?$/;

/** Whether the text is a DNS name in lower case (DNS-1123 subdomain of Kubernetes) of at most `maxLength` characters. */
export function isDomain(text: string, maxLength = 253): boolean {
  return text.length <= maxLength && text.split('.').every((label) => dnsLabel.test(label));
}

/** What {@link serverHost} accepts, for error messages. */
export const serverForm = 'a URL like https://127.0.0.1:6443';

/**
 * The host of an API server's URL, IPv6 without brackets; undefined unless it is https with at most a port, and a host that a
 * certificate can name.
 */
export function serverHost(text: string): string | undefined {
  if (!URL.canParse(text)) return undefined;
  const { protocol, hostname, port, pathname, search, hash, username } = new URL(text);
  const more = `${pathname === '/' ? '' : pathname}${search}${hash}${username}`;
  const host = hostname.replaceAll(/[[\]]/g, '');
  const isHost = isIP(host) > 0 || isDomain(host);
  return protocol === 'https:' && more === '' && port !== '0' && isHost ? host : undefined;
}

/** What {@link parseDnsServer} accepts, for error messages. */
export const dnsServerForm = 'an IP address, or one with a port like 192.0.2.1:5353';

/** Parses `192.0.2.1`, `192.0.2.1:5353`, `2001:db8::1` or `[2001:db8::1]:5353`; undefined for anything else. */
export function parseDnsServer(text: string): { address: string; port: number } | undefined {
  if (isIP(text) !== 0) return { address: text, port: 53 };
  const [, name = '', digits = ''] = /^(.+):(\d{1,5})$/.exec(text) ?? [];
  const address = name.replace(/^\[(.*)\]$/, '$1');
  const isAddress = isIPv4(name) || (name !== address && isIP(address) === 6);
  const port = Number(digits);
  return isAddress && port >= 1 && port <= 65_535 ? { address, port } : undefined;
}
