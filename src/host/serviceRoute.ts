import { readFile, writeFile } from 'node:fs/promises';
import { endianness } from 'node:os';
import { join } from 'node:path';
import { numberToIp, overlap, parseCidr } from '../config/schema/addresses.ts';
import type { Cidr } from '../config/schema/addresses.ts';
import { note, ok, problem } from './checkResult.ts';
import type { CheckResult } from './checkResult.ts';
import { run as runAll } from './tool.ts';
import { recordUndo } from './undoJournal.ts';

/**
 * A route for the addresses of Services, as arguments of ip(8). The kernel routes a packet of the node itself before
 * kube-proxy's rules rewrite its destination, so without a route it would be refused first. What they do not rewrite ends at
 * the loopback interface: no packet for a Service leaves the node. The metric is worse than that of any network of the host.
 * @param ip the source address, otherwise 127.0.0.1
 */
export function serviceRoute(serviceCidr: string, ip: string): readonly string[] {
  return [serviceCidr, 'dev', 'lo', 'src', ip, 'metric', '1000000'];
}

/**
 * Adds the route to the network around this process and records it in the undo journal, unless the range belongs to a network
 * there: a default route is none.
 * @param program the program ip
 */
export async function addServiceRoute(
  program: string,
  runDir: string,
  serviceCidr: string,
  ip: string,
): Promise<void> {
  const routes = await readFile('/proc/net/route', 'utf8').catch(() => '');
  if (isRouted(serviceCidr, routes)) return;
  const route = serviceRoute(serviceCidr, ip);
  await recordUndo(runDir, { kind: 'route', program, route });
  await runAll([program, 'route', 'add', ...route]);
}

/**
 * Refuses at once what kube-proxy has not rewritten: a packet for an address or a port that no Service has. Otherwise its
 * connection would not only wait in vain; the kernel would remember not to rewrite it when the Service comes.
 * @param restore the program iptables-restore
 */
export async function refuseUnknownServices(
  restore: string,
  { run, serviceCidr }: { readonly run: string; readonly serviceCidr: string },
): Promise<void> {
  const file = join(run, 'services.iptables');
  const rules = ['OUTPUT', 'FORWARD'].flatMap((chain) => [
    // A reset ends a connection at once; the sender of anything else gets an error in OUTPUT, and ICMP in FORWARD.
    `-A ${chain} -d ${serviceCidr} -p tcp -j REJECT --reject-with tcp-reset`,
    `-A ${chain} -d ${serviceCidr} -j REJECT --reject-with icmp-port-unreachable`,
  ]);
  await writeFile(file, ['*filter', ...rules, 'COMMIT', ''].join('\n'));
  // --wait would take what follows for a number of seconds, unless it is an option.
  await runAll([restore, '--wait', '--noflush', file]);
}

/**
 * Whether the addresses of pods and Services belong to a network of this machine, by the routes around this process.
 * A problem if pods would not be reached; a note if the node hides hosts of that network while it is up.
 * @param bridge the pods' bridge: its routes are the node's own
 * @param isWorker whether the ranges are those of the cluster, which a config of this node does not change
 */
export async function checkRanges(
  { podCidr, serviceCidr }: { readonly podCidr: string; readonly serviceCidr: string },
  bridge: string,
  isWorker = false,
): Promise<CheckResult> {
  const table = routesIn(await readFile('/proc/net/route', 'utf8').catch(() => ''));
  const routes = table.filter(({ device }) => device !== bridge && device !== 'lo');
  const subject = 'ranges';
  for (const [key, cidr] of Object.entries({ podCidr, serviceCidr })) {
    const range = rangeOf(cidr);
    const route = routes.find((each) => overlap(range, each));
    if (route === undefined) continue;
    const label = `${numberToIp(route.first)}/${32 - Math.log2(route.size)} dev ${route.device}`;
    const setting = `network.${isWorker && key === 'podCidr' ? 'clusterCidr' : key}`;
    const what = `${setting} ${cidr}${isWorker ? ' of the cluster' : ''} overlaps the route ${label}`;
    const remedy = isWorker
      ? `take that route away; or make the cluster with another range: ${setting} in the config of its control plane`
      : `choose another range: ${setting} in a config`;
    // The route of the bridge is as long as the range: a longer one wins, and so does an older one.
    if (key === 'podCidr' && route.size <= range.size)
      return problem(subject, `${what}: pods would not be reached`, remedy);
    return note(subject, `${what}: while the node is up, it hides other machines in the range`, remedy);
  }
  return ok(subject, `${podCidr} and ${serviceCidr} are free`);
}

interface Route extends Cidr {
  readonly device: string;
}

/** Up to /7 a route is the default route or a part of it, such as the 0.0.0.0/1 of a VPN. */
const longestDefault = 7;

/**
 * The routes for networks. No default route, and none that refuses packets.
 * @param table the text of /proc/net/route: destination and mask are hexadecimal and in the byte order of the machine
 */
function routesIn(table: string): Route[] {
  return table.split('\n').flatMap((line) => {
    const [device, destination, , , , , , netmask] = line.split('\t');
    // The first line has titles. `*`: a route that refuses packets.
    if (device === undefined || netmask === undefined || device === 'Iface' || device === '*') return [];
    const size = 2 ** 32 - fromHex(netmask);
    return size < 2 ** (32 - longestDefault) ? [{ device, first: fromHex(destination!), size }] : [];
  });
}

/** Whether a route for a network covers the start of the range. */
function isRouted(cidr: string, table: string): boolean {
  const { first } = rangeOf(cidr);
  return routesIn(table).some((route) => first >= route.first && first < route.first + route.size);
}

function rangeOf(cidr: string): Cidr {
  const range = parseCidr(cidr);
  if (typeof range === 'string') throw new Error(range);
  return range;
}

function fromHex(text: string): number {
  const bytes = Buffer.from(text, 'hex');
  return endianness() === 'LE' ? bytes.readUInt32LE() : bytes.readUInt32BE();
}
