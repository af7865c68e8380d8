import { closeSync, openSync, readFileSync } from 'node:fs';
import { isIPv4 } from 'node:net';
import { reasonOf } from '../lib/errors.ts';
import { note, ok, problem } from './checkResult.ts';
import type { CheckResult } from './checkResult.ts';

/** How a node in a sandbox reaches other machines: `network.egress` of a config. */
export type EgressMode = (typeof egressModes)[number];

export const egressModes = ['auto', 'pasta', 'none'] as const;

/** The interface of pasta in the node's network namespace. */
export const egressInterface = 'egress0';

/**
 * The addresses of that interface: 192.0.0.0/29 is for a machine's own use and in no routing table (RFC 7335). pasta passes
 * queries to `dns` on to the host's name server.
 */
export const egressAddresses = {
  network: '192.0.0.0',
  prefix: 29,
  gateway: '192.0.0.1',
  node: '192.0.0.2',
  dns: '192.0.0.3',
} as const;

/** What never leaves a node, besides the addresses of its pods and Services: cloud metadata and link-local, multicast. */
const closedRanges = ['169.254.0.0/16', '224.0.0.0/4'];

/** The worst metric: any other route comes first. */
const lastMetric = 4_294_967_295;

/** What a node needs to reach other machines. */
export interface Egress {
  /** The path of pasta(1). */
  readonly pasta: string;
  /** The host's name server, which answers the node's queries; undefined if it has none with an IPv4 address. */
  readonly nameServer: string | undefined;
}

/** The decision for one node. */
export interface EgressPlan {
  /** Undefined: the node reaches no other machine. */
  readonly egress?: Egress;
  readonly result: CheckResult;
}

/** What egress of a node in a sandbox depends on, outside of it. */
export interface EgressFiles {
  readonly tun: string;
  readonly routes: string;
  readonly resolvConf: string;
}

const machineFiles: EgressFiles = {
  tun: '/dev/net/tun',
  routes: '/proc/net/route',
  resolvConf: '/etc/resolv.conf',
};

/**
 * Decides whether a node in a sandbox gets egress by pasta. Call it on the host, in the network that the node is to reach. A
 * result that is a problem means: the config asks for what this machine cannot do.
 * @param pasta its path, undefined if it was not found
 */
export function planEgress(
  mode: EgressMode,
  pasta: string | undefined,
  files: EgressFiles = machineFiles,
): EgressPlan {
  if (mode === 'none') return { result: ok('egress', 'off') };
  const missing = whatIsMissing(files) ?? (pasta === undefined ? noPasta : undefined);
  if (missing !== undefined) {
    const message = `none: ${missing.message}`;
    const result = mode === 'pasta' ? problem : note;
    return { result: result('egress', message, missing.remedy) };
  }
  const nameServer = nameServerIn(files.resolvConf);
  const names =
    nameServer === undefined ? ', without name servers: none in /etc/resolv.conf has an IPv4 address' : '';
  return { egress: { pasta: pasta!, nameServer }, result: ok('egress', `by ${pasta}${names}`) };
}

/** What is wrong with the proxies of an environment for containerd in a sandbox: golang.org/x/net/http/httpproxy reads these. */
export function checkProxies(env: NodeJS.ProcessEnv): CheckResult[] {
  const names = ['HTTPS_PROXY', 'https_proxy', 'HTTP_PROXY', 'http_proxy'];
  const given = names.flatMap((name) => (env[name] ? [[name, env[name]] as const] : []));
  const unreachable = given.filter(([, value]) => isLoopback(value));
  if (unreachable.length === 0) return [];
  const variables = [...new Set(unreachable.map(([name]) => name))].join(', ');
  const message = `${variables}: a loopback address, which is the node's own in the node, so no image is pulled through it`;
  return [note('proxy', message, 'set it to another address of this machine')];
}

function isLoopback(proxy: string): boolean {
  const url = proxy.includes('://') ? proxy : `http://${proxy}`;
  return URL.canParse(url) && /^(?:localhost|127\.|\[::1\])/.test(new URL(url).hostname);
}

/** Whether the sandbox of a node is to be prepared for egress, when it is not known yet whether there is a pasta. */
export function canHaveEgress(mode: EgressMode, files: EgressFiles = machineFiles): boolean {
  return mode !== 'none' && whatIsMissing(files) === undefined;
}

/**
 * The routes of a sandbox with egress, as arguments of `ip`: what is not for pasta's interface is refused, and everything
 * while pasta does not run.
 */
export function closedRoutes(podCidr: string): string[] {
  const { dns, network, prefix } = egressAddresses;
  const ranges = ['default', podCidr, ...closedRanges];
  return [
    ...ranges.map((range) => `route add unreachable ${range} metric ${lastMetric}`),
    // pasta takes anything else for a connection to another machine: a query by TCP (in 2023), or one to the gateway. Not for
    // all protocols: the kernel looks the gateway itself up by these rules.
    `rule add to ${dns} ipproto udp dport 53 lookup main priority 1`,
    ...['tcp', 'udp', 'icmp'].map(
      (protocol) => `rule add to ${network}/${prefix} ipproto ${protocol} prohibit priority 2`,
    ),
  ];
}

interface Missing {
  readonly message: string;
  readonly remedy: string;
}

const noPasta: Missing = {
  message: 'pasta is missing',
  remedy: 'k8s-single install, or apt-get install passt',
};

function whatIsMissing({ tun, routes }: EgressFiles): Missing | undefined {
  try {
    // It may exist without the module of the kernel, or be forbidden by a cgroup of devices.
    closeSync(openSync(tun, 'r+'));
  } catch (error) {
    const message = `${tun} cannot be opened: ${reasonOf(error)}`;
    return { message, remedy: 'modprobe tun; in a container, run it with --device /dev/net/tun' };
  }
  return hasDefaultRoute(readFileSync(routes, 'utf8'))
    ? undefined
    : { message: 'this machine has no default route itself', remedy: 'see "ip route"' };
}

/** RTF_UP and RTF_REJECT (linux/route.h). */
const [up, reject] = [0x1, 0x2_00];

/**
 * Whether a route leads to any address.
 * @param routes the text of /proc/net/route
 * @param device the interface of the route. Default: any
 */
export function hasDefaultRoute(routes: string, device?: string): boolean {
  return routes.split('\n').some((line) => {
    const [name, destination, , flags = '', , , , mask] = line.split('\t');
    const isUsable = (Number.parseInt(flags, 16) & (up | reject)) === up;
    const isDefault = destination === '00000000' && mask === '00000000';
    return isDefault && isUsable && (device === undefined || name === device);
  });
}

/** pasta asks it from the host's network: a loopback address, such as that of systemd-resolved, is one as well. */
function nameServerIn(resolvConf: string): string | undefined {
  let text: string;
  try {
    text = readFileSync(resolvConf, 'utf8');
  } catch {
    return undefined;
  }
  const servers = [...text.matchAll(/^[ \t]*nameserver[ \t]+(\S+)/gm)].map(([, address = '']) => address);
  return servers.find((address) => isIPv4(address) && address !== '0.0.0.0');
}
