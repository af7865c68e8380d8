import { createSocket } from 'node:dgram';
import type { RemoteInfo, Socket as UdpSocket } from 'node:dgram';
import { once } from 'node:events';
import { rmSync } from 'node:fs';
import { connect, createServer, isIPv6 } from 'node:net';
import type { Server, Socket } from 'node:net';
import { watch } from '../../../probes/watch.ts';
import { describePort } from '../../config/schema/ports.ts';
import type { PortMapping } from '../../config/schema/ports.ts';
import { bind } from './open.ts';

/** What the port forwarder is to do: JSON, which is its only argument. */
export interface ForwarderOptions {
  /** The node's address. */
  readonly target: string;
  /** A unix socket that accepts connections while all ports are served. */
  readonly socket: string;
  /** With `fd`, the socket is inherited; else it is bound here. */
  readonly ports: readonly (PortMapping & { readonly fd?: number })[];
}

/** How long a client of a UDP port may be silent until answers no longer reach it, in ms. As docker-proxy has it. */
const udpIdleMs = 90_000;
/** At most this many clients of a UDP port; then those that were silent longest are forgotten. */
const maxUdpClients = 1024;
/** A connection whose peer is gone without a word is found by probes after this long, in ms. */
const keepAliveMs = 60_000;

/** Forwards ports until the signal aborts. Connections end with this process. */
export async function forwardPorts(
  { target, socket, ports }: ForwarderOptions,
  signal: AbortSignal,
): Promise<void> {
  for (const port of ports) {
    await (port.protocol === 'tcp' ? forwardTcp(port, target) : forwardUdp(port, target, signal));
    console.error(`forwarding ${describePort(port)}`);
  }
  rmSync(socket, { force: true });
  const alive = createServer((connection) => connection.destroy()).listen(socket);
  await once(alive, 'listening');
  await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }));
}

async function forwardTcp(
  { fd, ...mapping }: ForwarderOptions['ports'][number],
  target: string,
): Promise<Server> {
  const options = {
    allowHalfOpen: true,
    noDelay: true,
    keepAlive: true,
    keepAliveInitialDelay: keepAliveMs,
  };
  const server = createServer(options, (client) => {
    join(client, connect({ ...options, host: target, port: mapping.nodePort }));
  });
  // Such as EMFILE: the next connection may succeed.
  if (fd === undefined) await bind(mapping, server);
  else await once(server.listen({ fd }), 'listening');
  server.on('error', (error) => console.error(`${describePort(mapping)}: ${error.message}`));
  return server;
}

/** Passes on both directions, each end and each reset of the two connections. */
function join(client: Socket, node: Socket): void {
  for (const [from, to] of [
    [client, node],
    [node, client],
  ] as const) {
    // Ends `to` when `from` has ended, while the other direction goes on.
    from.pipe(to);
    from.on('error', () => to.resetAndDestroy());
    from.on('close', () => {
      if (!to.writableEnded) to.destroy();
    });
  }
}

interface UdpClient {
  readonly socket: UdpSocket;
  lastAt: number;
}

/** Each client gets a socket of its own, by whose port the node tells them apart. */
async function forwardUdp(
  { fd, ...mapping }: ForwarderOptions['ports'][number],
  target: string,
  signal: AbortSignal,
): Promise<void> {
  // Of a descriptor it is bound at once.
  const inherited = (): UdpSocket => createSocket(isIPv6(mapping.address) ? 'udp6' : 'udp4').bind({ fd });
  const server = fd === undefined ? await bind(mapping) : inherited();
  if (!('send' in server)) throw new Error('no UDP socket');
  // By address and port. The one that was silent longest comes first.
  const clients = new Map<string, UdpClient>();
  const forget = (key: string): void => {
    clients.get(key)?.socket.close();
    clients.delete(key);
  };
  const clientOf = (key: string, { address, port }: RemoteInfo): UdpClient => {
    const socket = createSocket('udp4');
    // Answers only from where the questions went.
    socket.on('message', (message, from) => {
      if (from.address === target && from.port === mapping.nodePort) server.send(message, port, address);
    });
    socket.on('error', () => forget(key));
    return { socket, lastAt: 0 };
  };
  server.on('error', (error) => console.error(`${describePort(mapping)}: ${error.message}`));
  server.on('message', (message, from) => {
    const key = `${from.address} ${from.port}`;
    const client = clients.get(key) ?? clientOf(key, from);
    client.lastAt = performance.now();
    clients.delete(key);
    clients.set(key, client);
    const [oldest] = clients.keys();
    if (clients.size > maxUdpClients && oldest !== undefined) forget(oldest);
    client.socket.send(message, mapping.nodePort, target);
  });
  const sweep = async (): Promise<void> => {
    const before = performance.now() - udpIdleMs;
    for (const [key] of [...clients].filter(([, { lastAt }]) => lastAt < before)) forget(key);
  };
  void watch(sweep, { periodMs: 10_000, failureThreshold: Infinity }, signal).catch(() => undefined);
}
