import { join } from 'node:path';
import { unix } from '../../../probes/kinds/unix.ts';
import type { PortMapping } from '../../config/schema/ports.ts';
import type { Service } from '../../engine/component.ts';
import { childEnv } from '../../lib/childEnv.ts';
import { Failure } from '../../lib/errors.ts';
import { programFile } from '../../lib/paths.ts';
import { descriptors } from '../../sandbox/sandboxSpec.ts';
import type { ForwarderOptions } from './forward.ts';
import { openPorts } from './open.ts';

/** The component that forwards published ports. */
export const portForwarderName = 'ports';

/** The first descriptor of a child beside its standard streams. */
const firstInherited = 3;

interface Place {
  readonly ip: string;
  readonly isSandboxed: boolean;
  /** The node's run folder. */
  readonly run: string;
}

/**
 * Published ports as a component: a process that forwards them to the node. In a sandbox it inherits the sockets, which belong
 * to the host's network: while it is started again, connections wait.
 */
export function portForwarder(ports: readonly PortMapping[], { ip, isSandboxed, run }: Place): Service {
  const socket = join(run, 'ports.sock');
  const served = ports.map((port, index) => (isSandboxed ? { ...port, fd: firstInherited + index } : port));
  const options: ForwarderOptions = { target: ip, socket, ports: served };
  const isAlive = unix(socket);
  const env = Object.entries(childEnv({})).flatMap(([name, value]) =>
    value === undefined ? [] : [[name, value] as const],
  );
  return {
    kind: 'service',
    name: portForwarderName,
    needs: [],
    command: {
      file: process.execPath,
      args: [programFile('portForwarder'), JSON.stringify(options)],
      env: Object.fromEntries(env),
      inheritEnv: false,
      cwd: '/',
      ...(isSandboxed && { descriptors: ports.map((_, index) => descriptors.ports + index) }),
    },
    ready: isAlive,
    live: isAlive,
    restart: { onFailure: 'keepOthers' },
    // It keeps nothing.
    stop: { graceMs: 1000 },
    ...(!isSandboxed && {
      ports: ports.filter(({ protocol }) => protocol === 'tcp').map(({ port }) => port),
    }),
  };
}

/**
 * The ports of a node without a sandbox, which the forwarder is to bind, if they are free.
 * @throws Failure `usage` for a port that is the node's already; `preflight` for one that is taken
 */
export async function portsOfMachine(texts: readonly string[]): Promise<readonly PortMapping[]> {
  using open = await openPorts(texts);
  const same = open.ports.findIndex(({ port, nodePort }) => port === nodePort);
  if (same === -1) return open.ports;
  const { nodePort } = open.ports[same]!;
  throw new Failure(
    'usage',
    `cannot publish ${texts[same]}: without a sandbox, port ${nodePort} of the node is port ${nodePort} of this machine already`,
    { hint: "leave it out and use the machine's address, or choose another port of the host" },
  );
}
