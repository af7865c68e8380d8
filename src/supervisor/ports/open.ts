import { createSocket } from 'node:dgram';
import type { Socket } from 'node:dgram';
import { once } from 'node:events';
import { createServer, isIPv6 } from 'node:net';
import type { Server } from 'node:net';
import { errorCode } from '../../../probes/errorCode.ts';
import { duplicatePort, hostEnd, parsePort, parsePorts } from '../../config/schema/ports.ts';
import type { PortMapping } from '../../config/schema/ports.ts';
import { boundHolder, portHolder } from '../../engine/supervise/ports.ts';
import { Failure, reasonOf } from '../../lib/errors.ts';

/** Ports of the host that are bound, for another process to serve. */
export interface OpenPorts extends Disposable {
  /** The mappings with the ports that they have got. */
  readonly ports: readonly PortMapping[];
  readonly sockets: readonly (Server | Socket)[];
}

/**
 * The mappings of the config and of `--publish`, checked.
 * @throws Failure `usage` that names the flag at fault: an invalid mapping, or one with the port of an earlier one
 */
export function allPorts(publish: readonly string[] = [], configured: readonly string[] = []): string[] {
  for (const text of publish) {
    const mapping = parsePort(text);
    if (typeof mapping === 'string') throw new Failure('usage', `--publish ${text}: ${mapping}`);
  }
  const all = [...configured, ...publish];
  const duplicate = duplicatePort(all);
  if (duplicate === undefined) return all;
  const { index, reason } = duplicate;
  throw new Failure('usage', `--publish ${all[index]}: ${reason}`);
}

/**
 * Binds the ports in this network namespace. What comes before another process serves them, waits, or is lost (UDP). Close
 * them when that process has inherited them.
 * @throws Failure `preflight` that names the mapping, and the process that has its port
 */
export async function openPorts(texts: readonly string[]): Promise<OpenPorts> {
  const open: { mapping: PortMapping; socket: Server | Socket }[] = [];
  const close = (): void => open.forEach(({ socket }) => socket.close());
  try {
    for (const [index, mapping] of parsePorts(texts).entries()) {
      const socket = await bind(mapping).catch(async (error: unknown) => {
        throw await cannotPublish(texts[index]!, mapping, error);
      });
      const bound = socket.address();
      const port = typeof bound === 'object' && bound !== null ? bound.port : mapping.port;
      open.push({ mapping: { ...mapping, port }, socket });
    }
  } catch (error) {
    close();
    throw error;
  }
  const ports = open.map(({ mapping }) => mapping);
  return { ports, sockets: open.map(({ socket }) => socket), [Symbol.dispose]: close };
}

/** Listens, or binds a UDP socket. IPv6 sockets take no IPv4: 0.0.0.0 and [::] can be published side by side. */
export async function bind(
  { address, port, protocol }: PortMapping,
  server: Server = createServer((connection) => connection.destroy()),
): Promise<Server | Socket> {
  if (protocol === 'udp') {
    const socket = createSocket({ type: isIPv6(address) ? 'udp6' : 'udp4', ipv6Only: isIPv6(address) });
    const bound = once(socket, 'listening');
    socket.bind({ address, port, exclusive: true });
    await bound;
    return socket;
  }
  const listening = once(server, 'listening');
  server.listen({ host: address, port, ipv6Only: isIPv6(address), exclusive: true });
  await listening;
  return server;
}

async function cannotPublish(text: string, mapping: PortMapping, cause: unknown): Promise<Failure> {
  const { address, port, protocol } = mapping;
  const why = async (): Promise<string> => {
    const code = errorCode(cause);
    if (code === 'EADDRNOTAVAIL') return `this machine has no address ${address}`;
    if (code === 'EACCES') return `port ${port} is privileged, and this process lacks CAP_NET_BIND_SERVICE`;
    if (code !== 'EADDRINUSE') return reasonOf(cause);
    const holder = protocol === 'tcp' ? portHolder(port) : boundHolder(protocol, port, [address]);
    return `port ${port}/${protocol} is held by ${(await holder) ?? 'another process'}`;
  };
  return new Failure('preflight', `cannot publish ${text} at ${hostEnd(mapping)}: ${await why()}`, {
    hint: 'stop that process, or choose another address or port: --publish, or ports in the config',
    cause,
  });
}
