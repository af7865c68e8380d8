import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Failure } from '../lib/errors.ts';
import { namespacesOf } from './sandboxSpec.ts';
import type { Box, Inside } from './sandboxSpec.ts';
import { freeSubnets } from './subnet.ts';
import type { Subnet } from './subnet.ts';
import { runAt, runOne } from '../host/tool.ts';
import type { Argv } from '../host/tool.ts';

/**
 * On the host: connects the network namespace of the process `pid` with the host's by a pair of interfaces. The host reaches the
 * node at `nodeIp`, and the node reaches nothing but the host's end, because its default route is unreachable and the host
 * forwards nothing for it. Nothing of the host's own network changes; the pair goes with the namespace.
 *
 * `knownRoutes`: see {@link routesOfHost}. `path`: where `ip` is looked for. Writes the name of the host's end to `<run>/interface`.
 */
export async function connectToHost(
  { name, run, avoid }: Box,
  { pid, path }: Inside,
  knownRoutes: Promise<string | undefined>,
): Promise<Subnet> {
  const place = { path, namespaces: namespacesOf(pid, 'pid') };
  const routes = (await knownRoutes) ?? (await runAt(place, ['ip', ...showRoutes]));
  for (const subnet of freeSubnets(name, routes, avoid)) {
    const host = subnet.interface;
    const add: Argv = [
      'ip',
      ...`link add ${host} type veth peer name eth0 netns /proc/${pid}/ns/net`.split(' '),
    ];
    // Before it is there: whoever tidies up waits until it is gone.
    writeFileSync(join(run, 'interface'), host);
    try {
      await runAt(
        place,
        add,
        batch(
          join(run, 'network.host'),
          `link set dev ${host} alias "k8s-single node ${name}" up`,
          `address add ${subnet.hostIp}/30 dev ${host}`,
        ),
        [
          'nsenter',
          ...namespacesOf(pid, 'net'),
          ...batch(
            join(run, 'network.node'),
            'link set dev eth0 up',
            `address add ${subnet.nodeIp}/30 dev eth0`,
            'link set dev lo up',
            'route add unreachable default',
          ),
        ],
      );
    } catch (error) {
      if (!isTaken(error, add)) throw error;
      rmSync(join(run, 'interface'));
      continue;
    }
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

/** Several commands of ip(8), by way of a file, in one process: up to the first that fails, which it says the line of. */
function batch(file: string, ...commands: readonly string[]): Argv {
  writeFileSync(file, commands.map((command) => `${command}\n`).join(''));
  return ['ip', '-batch', file];
}

const showRoutes = ['-json', '-4', 'route', 'show', 'table', 'all'];

/** What is routed on the host, for {@link connectToHost}. Undefined when `ip` is only in the cache, or hangs. */
export async function routesOfHost(): Promise<string | undefined> {
  return runOne(['ip', ...showRoutes], 1000).catch(() => undefined);
}

/** Two nodes that start at once cannot both create an interface of one name: whoever does has the subnet. */
function isTaken(error: unknown, add: Argv): boolean {
  return (
    error instanceof Failure &&
    error.message.startsWith(add.join(' ')) &&
    error.message.includes('File exists')
  );
}
