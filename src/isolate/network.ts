import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Failure } from '../errors.ts';
import type { Box } from './box.ts';
import { freeSubnets } from './subnet.ts';
import type { Subnet } from './subnet.ts';
import { run as runAll } from './tool.ts';
import type { Argv } from './tool.ts';

/**
 * Connects this network namespace with the host's by a pair of interfaces: the host reaches the node at `nodeIp`, and
 * the node reaches nothing but the host's end, because its default route is unreachable and the host forwards nothing
 * for it. Nothing of the host's own network changes; the pair goes with this namespace.
 *
 * `hostNetwork`: a path of the host's network namespace (ip-netns(8)). Writes the name of the host's end to
 * `<run>/interface`.
 */
export async function connectToHost({ name, run, avoid }: Box, hostNetwork: string): Promise<Subnet> {
  const onHost = (...args: string[]): Argv => ['nsenter', `--net=${hostNetwork}`, 'ip', ...args];
  const routes = await runAll(onHost('-json', '-4', 'route', 'show', 'table', 'all'));
  const subnet = await firstFree(freeSubnets(name, routes, avoid), hostNetwork);
  writeFileSync(join(run, 'interface'), subnet.interface);
  await runAll(
    onHost('link', 'set', 'dev', subnet.interface, 'alias', `k8s-single node ${name}`),
    onHost('address', 'add', `${subnet.hostIp}/30`, 'dev', subnet.interface),
    onHost('link', 'set', 'dev', subnet.interface, 'up'),
    ['ip', 'link', 'set', 'dev', 'lo', 'up'],
    ['ip', 'address', 'add', `${subnet.nodeIp}/30`, 'dev', 'eth0'],
    ['ip', 'link', 'set', 'dev', 'eth0', 'up'],
    ['ip', 'route', 'add', 'unreachable', 'default'],
  );
  // Pods are reached through the node; the setting is the namespace's own.
  writeFileSync('/proc/sys/net/ipv4/ip_forward', '1');
  return subnet;
}

/** Two nodes that start at once cannot both create an interface of one name: whoever does has the subnet. */
async function firstFree(candidates: readonly Subnet[], hostNetwork: string): Promise<Subnet> {
  for (const subnet of candidates) {
    const peer = ['peer', 'name', subnet.interface, 'netns', hostNetwork];
    try {
      await runAll(['ip', 'link', 'add', 'eth0', 'type', 'veth', ...peer]);
      return subnet;
    } catch (error) {
      if (!(error instanceof Failure && error.message.includes('File exists'))) throw error;
    }
  }
  throw new Failure(
    'preflight',
    'no subnet is free for the node: every one of 172.30, 10.30 and 192.168 is routed',
    {
      hint: 'see "ip route", or run with --host',
    },
  );
}
