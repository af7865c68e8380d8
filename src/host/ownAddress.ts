import { readFile } from 'node:fs/promises';
import { networkInterfaces } from 'node:os';
import { Failure } from '../lib/errors.ts';

/** Bridges and veth pairs of containers, whose addresses no other machine reaches. */
const internalInterface = /^(?:cni|docker|br-|veth|virbr|k8s-)/;

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
      .filter(({ family, internal }) => family === 'IPv4' && !internal)
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
