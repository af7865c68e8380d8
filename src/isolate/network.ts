import { execFile } from 'node:child_process';
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { Failure } from '../errors.ts';
import type { Box } from './box.ts';
import { freeSubnets } from './subnet.ts';
import type { Subnet } from './subnet.ts';
import { pathWithSbin, run as runAll } from './tool.ts';
import type { Argv } from './tool.ts';

/**
 * Connects this network namespace with the host's by a pair of interfaces: the host reaches the node at `nodeIp`, and
 * the node reaches nothing but the host's end, because its default route is unreachable and the host forwards nothing
 * for it. Nothing of the host's own network changes; the pair goes with this namespace.
 *
 * `hostNetwork`: a path of the host's network namespace (ip-netns(8)). `knownRoutes`: see {@link routesOfHost}. Writes the name of the host's end to
 * `<run>/interface`.
 */
export async function connectToHost(
  { name, run, avoid }: Box,
  hostNetwork: string,
  knownRoutes?: string,
): Promise<Subnet> {
  const onHost = (...args: string[]): Argv => ['nsenter', `--net=${hostNetwork}`, 'ip', ...args];
  const routes = knownRoutes ?? (await runAll(onHost(...showRoutes)));
  for (const subnet of freeSubnets(name, routes, avoid)) {
    const peer = ['peer', 'name', subnet.interface, 'netns', hostNetwork];
    const add: Argv = ['ip', 'link', 'add', 'eth0', 'up', 'type', 'veth', ...peer];
    // Before it is there: whoever tidies up waits until it is gone.
    writeFileSync(join(run, 'interface'), subnet.interface);
    try {
      await runAll(
        add,
        onHost('link', 'set', 'dev', subnet.interface, 'alias', `k8s-single node ${name}`, 'up'),
        onHost('address', 'add', `${subnet.hostIp}/30`, 'dev', subnet.interface),
        ['ip', 'address', 'add', `${subnet.nodeIp}/30`, 'dev', 'eth0'],
        ['ip', 'link', 'set', 'dev', 'lo', 'up'],
        ['ip', 'route', 'add', 'unreachable', 'default'],
      );
    } catch (error) {
      if (!isTaken(error, add)) throw error;
      rmSync(join(run, 'interface'));
      continue;
    }
    // Pods are reached through the node; the setting is the namespace's own.
    writeFileSync('/proc/sys/net/ipv4/ip_forward', '1');
    return subnet;
  }
  throw new Failure(
    'preflight',
    'no subnet is free for the node: every one of 172.30, 10.30 and 192.168 is routed',
    {
      hint: 'see "ip route", or run with --host',
    },
  );
}

const showRoutes = ['-json', '-4', 'route', 'show', 'table', 'all'];

/** On the host: what is routed there, for {@link connectToHost}. Undefined when `ip` is only known inside, or hangs. */
export async function routesOfHost(): Promise<string | undefined> {
  const options = { env: { ...process.env, PATH: pathWithSbin() }, timeout: 1000 };
  return promisify(execFile)('ip', showRoutes, options).then(
    ({ stdout }) => stdout,
    () => undefined,
  );
}

/** Two nodes that start at once cannot both create an interface of one name: whoever does has the subnet. */
function isTaken(error: unknown, add: Argv): boolean {
  return (
    error instanceof Failure &&
    error.message.startsWith(add.join(' ')) &&
    error.message.includes('File exists')
  );
}
