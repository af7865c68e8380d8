import { readFile } from 'node:fs/promises';
import { networkInterfaces } from 'node:os';
import { Unhealthy } from '../../probes/probe.ts';
import type { Probe } from '../../probes/probe.ts';
import { Failure } from '../lib/errors.ts';

/** Bridges and veth pairs of containers, whose addresses no other machine reaches. */
const internalInterface = /^(?:cni|docker|br-|veth|virbr|k8s-)/;

/** No address for a node: kubelet and API server refuse it (RFC 3927). */
function isLinkLocal(address: string): boolean {
  return address.startsWith('169.254.');
}

/**
 * The address of this machine, or container, by which others reach it: that of the interface with the default route, as
 * Kubernetes itself chooses (ChooseHostInterface in apimachinery), or else the first that is not loopback's or a bridge's.
 * @throws Failure `preflight` when there is none.
 */
export async function ownAddress(): Promise<string> {
  const routes = await readFile('/proc/net/route', 'utf8').catch(() => '');
  const withDefaultRoute = new Set([...routes.matchAll(/^(\S+)\t00000000\t/gm)].map(([, name]) => name));
  const all = Object.entries(networkInterfaces()).flatMap(([name, addresses]) =>
    (addresses ?? [])
      .filter(({ family, internal, address }) => family === 'IPv4' && !internal && !isLinkLocal(address))
      .map(({ address }) => ({ name, address })),
  );
  const own =
    all.find(({ name }) => withDefaultRoute.has(name)) ??
    all.find(({ name }) => !internalInterface.test(name)) ??
    all[0];
  if (own !== undefined) return own.address;
  throw new Failure(
    'preflight',
    'no network interface has an IPv4 address that the API server could advertise',
    { hint: 'give one an address (ip address add ...), or run without --host' },
  );
}

/**
 * Passes as long as this machine has the address: a laptop gets another one in another network.
 * @param remedy what to do about it
 */
export function keepsAddress(ip: string, remedy: string): Probe {
  return async () => {
    // Not networkInterfaces(), which leaves out an interface without carrier: it keeps its address.
    const local = await readFile('/proc/net/fib_trie', 'utf8').catch(() => undefined);
    if (local === undefined || isLocal(ip, local)) return;
    const now = await ownAddress().catch(() => undefined);
    const other = now === undefined ? 'has no other' : `has ${now} now`;
    throw new Unhealthy(`this machine has lost the node's address ${ip}, and ${other}: ${remedy}`);
  };
}

/** Whether the address is in the kernel's table of local ones, as `/proc/net/fib_trie` prints it. */
function isLocal(ip: string, table: string): boolean {
  const lines = table.split('\n').map((line) => line.trim());
  return lines.some((line, i) => line === `|-- ${ip}` && lines[i + 1] === '/32 host LOCAL');
}
