import { isIPv4 } from 'node:net';

/** An IPv4 range: its first address as a number, and how many addresses it holds. */
export interface Cidr {
  readonly first: number;
  readonly size: number;
}

/** The range that `10.0.0.0/24` means, or why it is none. Bits beyond the prefix are an error, as in Kubernetes. */
export function parseCidr(text: string): Cidr | string {
  const [ip = '', prefix = '', ...rest] = text.split('/');
  if (!isIPv4(ip) || !/^\d{1,2}$/.test(prefix) || Number(prefix) > 32 || rest.length > 0)
    return 'expected an IPv4 range like 10.0.0.0/24';
  const size = 2 ** (32 - Number(prefix));
  const address = ipToNumber(ip);
  const first = address - (address % size);
  if (first !== address) return `${text} starts inside the range: write ${numberToIp(first)}/${prefix}`;
  return { first, size };
}

/** Whether the ranges share an address. */
export function overlap(a: Cidr, b: Cidr): boolean {
  return a.first < b.first + b.size && b.first < a.first + a.size;
}

/** Whether the address lies in the range. */
export function contains(range: Cidr, ip: string): boolean {
  const address = ipToNumber(ip);
  return address >= range.first && address < range.first + range.size;
}

/** The `n`th address after the first (`10.0.0.0/24`, 10: `10.0.0.10`), or undefined when the range is shorter. */
export function nthAddress(range: Cidr, n: number): string | undefined {
  return n < range.size ? numberToIp(range.first + n) : undefined;
}

/**
 * The first address of a range that can be somebody's: `10.0.0.1` of `10.0.0.0/24`. Of the service range it is the API
 * server's own cluster IP. The range must be valid.
 */
export function firstAddress(cidr: string): string {
  const range = parseCidr(cidr);
  if (typeof range === 'string') throw new TypeError(`${cidr}: ${range}`);
  return numberToIp(range.first + 1);
}

function ipToNumber(ip: string): number {
  return ip.split('.').reduce((sum, byte) => sum * 256 + Number(byte), 0);
}

function numberToIp(address: number): string {
  return [24, 16, 8, 0].map((shift) => Math.floor(address / 2 ** shift) % 256).join('.');
}
