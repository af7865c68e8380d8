import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { createServer } from 'node:net';
import type { Socket } from 'node:net';
import { Failure, reasonOf } from '../../lib/errors.ts';
import { frame, readFrames } from './frames.ts';
import {
  FormatError,
  emptyReply,
  parseQuery,
  rcodes,
  udpLimit,
  writeFormatError,
  writeResponse,
} from './message.ts';
import type { Query, Reply } from './message.ts';

export interface DnsServerOptions {
  readonly address: string;
  readonly port: number;
  /** Whether the client at this address is answered. Others are refused, so that nobody is amplified. */
  readonly isAllowed: (address: string) => boolean;
  readonly resolver: {
    readonly recursionAvailable: boolean;
    /** Must not reject. */
    readonly resolve: (query: Query) => Promise<Reply>;
  };
}

const maxTcpBytes = 65_535;
const maxConnections = 200;
/** An idle connection is closed after this time, in ms. */
const idleMs = 10_000;

/** Serves DNS by UDP and TCP on one address and port. @throws Failure `preflight` when the port cannot be had */
export async function serveDns(options: DnsServerOptions): Promise<AsyncDisposable> {
  const { address, port } = options;
  const udp = createSocket('udp4');
  // An error of one client, such as a port that is closed meanwhile, is no reason to end.
  udp.on('message', (packet, client) => {
    void respond(packet, client.address, options, udpLimit).then((response) => {
      if (response !== undefined) udp.send(response, client.port, client.address, () => undefined);
    });
  });
  const connections = new Set<Socket>();
  const tcp = createServer((socket) => {
    connections.add(socket);
    socket.once('close', () => connections.delete(socket));
    serveConnection(socket, options);
  });
  tcp.maxConnections = maxConnections;
  udp.bind(port, address);
  tcp.listen(port, address);
  try {
    await Promise.all([once(udp, 'listening'), once(tcp, 'listening')]);
  } catch (cause) {
    throw new Failure('preflight', `cannot serve DNS: ${reasonOf(cause)}`, { cause });
  }
  udp.on('error', (error) => console.error(`UDP: ${error.message}`));
  return {
    [Symbol.asyncDispose]: async () => {
      udp.close();
      tcp.close();
      // An idle one would keep this process for as long as it lasts.
      for (const socket of connections) socket.destroy();
    },
  };
}

function serveConnection(socket: Socket, options: DnsServerOptions): void {
  const { remoteAddress = '' } = socket;
  socket.setTimeout(idleMs, () => socket.destroy());
  socket.on('error', () => socket.destroy());
  readFrames(socket, (packet) => {
    void respond(packet, remoteAddress, options, () => maxTcpBytes).then((response) => {
      if (response === undefined) socket.destroy();
      else if (!socket.destroyed) socket.write(frame(response));
    });
  });
}

/** The response to a packet; undefined for one that deserves none. */
async function respond(
  packet: Buffer,
  client: string,
  { isAllowed, resolver }: DnsServerOptions,
  limitOf: (query: Query) => number,
): Promise<Buffer | undefined> {
  let query;
  try {
    query = parseQuery(packet);
  } catch (error) {
    if (!(error instanceof FormatError)) throw error;
    return error.id === undefined ? undefined : writeFormatError(error.id);
  }
  const reply = isAllowed(client) ? await resolver.resolve(query) : emptyReply(rcodes.refused);
  const { recursionAvailable } = resolver;
  return writeResponse(query, reply, { limit: limitOf(query), recursionAvailable });
}
