import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Failure } from '../lib/errors.ts';
import { namespacesOf } from './sandboxSpec.ts';
import type { SandboxNamespaces, SandboxSpec } from './sandboxSpec.ts';
import { freeSubnets } from './subnet.ts';
import type { Subnet } from './subnet.ts';
import { runAt } from '../host/tool.ts';
import type { Argv } from '../host/tool.ts';

/**
 * On the host: connects the network namespace of a sandbox with the host's by a veth pair. The host reaches the node at
 * `nodeIp`. The node reaches only the host's end: its default route is unreachable, and the host forwards nothing for it.
 * Nothing else changes in the host's network, and the pair goes with the namespace.
 *
 * Writes the name of the host's end to `<run>/interface`.
 */
export async function connectToHost(
  { name, run, excludeSubnets }: SandboxSpec,
  { pid, path }: SandboxNamespaces,
): Promise<Subnet> {
  const place = { path, namespaces: namespacesOf(pid, 'pid') };
  const routes = await runAt(place, ['ip', '-json', '-4', 'route', 'show', 'table', 'all']);
  for (const subnet of freeSubnets(name, routes, excludeSubnets)) {
    const host = subnet.interface;
    const add: Argv = [
      'ip',
      ...`link add ${host} type veth peer name eth0 netns /proc/${pid}/ns/net`.split(' '),
    ];
    // Written before the interface exists: the clean-up waits until it is gone.
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

/** Several commands of ip(8) in one process, through a file. Stops at the first that fails and names its line. */
function batch(file: string, ...commands: readonly string[]): Argv {
  writeFileSync(file, commands.map((command) => `${command}\n`).join(''));
  return ['ip', '-batch', file];
}

/** Of two nodes that start concurrently only one can create an interface of this name: the subnet is that node's. */
function isTaken(error: unknown, add: Argv): boolean {
  return (
    error instanceof Failure &&
    error.message.startsWith(add.join(' ')) &&
    error.message.includes('File exists')
  );
}
