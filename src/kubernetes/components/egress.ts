import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Unhealthy } from '../../../probes/probe.ts';
import type { Probe } from '../../../probes/probe.ts';
import type { Dependency, Service } from '../../engine/component.ts';
import { egressAddresses, egressInterface, hasDefaultRoute } from '../../host/egress.ts';
import { networkFiles } from '../../sandbox/sandboxSpec.ts';
import { nodeProgram } from '../environment.ts';
import type { NodeFacts } from '../facts.ts';

/** It takes 30 ms. All attempts together fit into the window of a crash loop, so that no boot waits for it for long. */
const timeoutMs = 10_000;

/** The usual MTU of the pods' bridge, which pasta's default, 65520, exceeds. */
const mtu = 1500;

/**
 * pasta(1): the node's way to other machines, through sockets of the host, without a change to its firewall or forwarding. A
 * process of the sandbox's PID namespace, so it ends with it, whatever happens; its sockets are in the host's network
 * namespace. The node does without it: nothing depends on it, and while it is down its route is unreachable.
 */
export function egress(facts: NodeFacts, needs: readonly Dependency[]): Service | undefined {
  const { egress: by, paths } = facts;
  if (by === undefined) return undefined;
  const command = async () => {
    const { host, node } = networkFiles(paths.run);
    const resolvConf = join(paths.run, 'egress.resolv.conf');
    await writeFile(resolvConf, by.nameServer === undefined ? '' : `nameserver ${by.nameServer}\n`);
    // Only what it finds in this file pasta asks for others: -D does not count in the version of 2023.
    const script = 'mount --no-mtab --bind "$1" /etc/resolv.conf && shift && exec "$@"';
    const argv = [facts.programs.nsenter, `--net=${host}`, by.pasta, ...pastaArgs, '--netns', node];
    const args = ['--mount', '--propagation', 'private', 'sh', '-c', script, 'sh', resolvConf, ...argv];
    return nodeProgram(facts, 'unshare', args);
  };
  return {
    kind: 'service',
    name: 'egress',
    needs,
    command,
    ready: hasRoute,
    live: hasRoute,
    timeoutMs,
    // A node without it is better than none.
    restart: { onFailure: 'keepOthers', maxFailures: 3 },
    optional: true,
  };
}

const { node: address, gateway, prefix, dns } = egressAddresses;

/**
 * Its arguments except for the namespace. By default it would drop root, with which it cannot enter the namespace, forward
 * each port in both directions, and let the node reach the host's loopback at the gateway's address.
 */
const pastaArgs = [
  '--foreground --stderr --runas 0 --netns-only -4',
  `--config-net -I ${egressInterface} -a ${address} -n ${prefix} -g ${gateway} -m ${mtu}`,
  '-t none -u none -T none -U none --no-map-gw',
  '--no-dhcp --no-dhcpv6 --no-ndp --no-ra',
  `--dns-forward ${dns}`,
].flatMap((words) => words.split(' '));

const hasRoute: Probe = async () => {
  if (hasDefaultRoute(await readFile('/proc/net/route', 'utf8'), egressInterface)) return;
  throw new Unhealthy(`no default route through ${egressInterface}`);
};
