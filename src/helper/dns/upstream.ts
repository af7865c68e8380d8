import { randomInt } from 'node:crypto';
import { createSocket } from 'node:dgram';
import { statSync } from 'node:fs';
import { connect, isIPv6 } from 'node:net';
import { probeOnce } from '../../../probes/probeOnce.ts';
import { reasonOf } from '../../lib/errors.ts';
import { frame, readFrames } from './frames.ts';
import { nameServers } from './resolvConf.ts';
import { emptyReply, parseResponse, rcodes, writeQuery } from './message.ts';
import type { Query, Reply, ResourceRecord, Response } from './message.ts';

/** A DNS server: its address, and its port if that is not 53. */
export interface Server {
  readonly address: string;
  readonly port: number;
}

export interface UpstreamOptions {
  /** Asked in this order. */
  readonly servers: readonly Server[];
  /** A resolv.conf(5) whose name servers are asked instead if `servers` is empty. It is read again when it changes. */
  readonly resolvConf?: string | undefined;
  /** Whether a server of the file is this one, which must not ask itself. */
  readonly isOwn: (address: string) => boolean;
}

type Asked = Pick<Query, 'question' | 'checkingDisabled' | 'edns'>;

/** How long one server may take, in ms; resolvers in pods wait 5 s for the whole answer. */
const attemptMs = 2000;
/** A server that has not answered is asked last for as long, in ms. */
const avoidMs = 10_000;
/** Questions that wait for an answer. More are refused at once. */
const maxPending = 500;

/** Forwards questions to other DNS servers and remembers their answers. */
export class Upstream {
  readonly #options: UpstreamOptions;
  readonly #cache = new ReplyCache();
  readonly #pending = new Map<string, Promise<Reply>>();
  /** Until when a server is asked last, by its address and port. */
  readonly #avoided = new Map<string, number>();
  #resolvConf: { readonly version: string; readonly servers: readonly Server[] } | undefined;

  constructor(options: UpstreamOptions) {
    this.#options = options;
  }

  /** Whether there is a server to ask. */
  get isAvailable(): boolean {
    return this.#servers().length > 0;
  }

  /** The answer to a question: REFUSED if there is nobody to ask, SERVFAIL if nobody answers. Never rejects. */
  async resolve(query: Asked): Promise<Reply> {
    const key = keyOf(query);
    const cached = this.#cache.get(key);
    if (cached !== undefined) return cached;
    const servers = this.#servers();
    if (servers.length === 0) return emptyReply(rcodes.refused);
    const running = this.#pending.get(key);
    if (running !== undefined) return running;
    if (this.#pending.size >= maxPending) return emptyReply(rcodes.serverFailure);
    const reply = this.#ask(servers, query)
      .then((answer) => {
        this.#cache.set(key, answer);
        return answer;
      })
      .finally(() => this.#pending.delete(key));
    this.#pending.set(key, reply);
    return reply;
  }

  async #ask(servers: readonly Server[], query: Asked): Promise<Reply> {
    const now = performance.now();
    const isAvoided = (server: Server): boolean => (this.#avoided.get(keyOfServer(server)) ?? 0) > now;
    const inOrder = [...servers].sort((a, b) => Number(isAvoided(a)) - Number(isAvoided(b)));
    let failure = emptyReply(rcodes.serverFailure);
    for (const server of inOrder.slice(0, 2)) {
      try {
        const response = await askServer(server, query);
        this.#avoided.delete(keyOfServer(server));
        if (response.rcode !== rcodes.serverFailure && response.rcode !== rcodes.refused) return response;
        failure = response;
      } catch (error) {
        this.#avoided.set(keyOfServer(server), performance.now() + avoidMs);
        console.error(`no answer from ${keyOfServer(server)}: ${reasonOf(error)}`);
      }
    }
    return failure;
  }

  #servers(): readonly Server[] {
    const { servers, resolvConf } = this.#options;
    if (servers.length > 0 || resolvConf === undefined) return servers;
    const found = statSync(resolvConf, { throwIfNoEntry: false });
    const version = `${found?.mtimeMs} ${found?.size} ${found?.ino}`;
    if (this.#resolvConf?.version !== version) {
      const addresses = nameServers(resolvConf).filter((address) => !this.#options.isOwn(address));
      this.#resolvConf = { version, servers: addresses.map((address) => ({ address, port: 53 })) };
    }
    return this.#resolvConf.servers;
  }
}

function keyOfServer({ address, port }: Server): string {
  return isIPv6(address) ? `[${address}]:${port}` : `${address}:${port}`;
}

function keyOf({ question: { name, type, class: klass }, checkingDisabled, edns }: Asked): string {
  return `${name.toLowerCase()} ${type} ${klass} ${edns?.dnssecOk === true} ${checkingDisabled}`;
}

/** Asks by UDP, and by TCP if the answer is too long for that. Rejects if there is none in time. */
async function askServer(server: Server, query: Asked): Promise<Response> {
  // With EDNS for every client: the answer may be longer, and the client gets as much of it as it can take.
  const edns = { version: 0, udpSize: 0, dnssecOk: query.edns?.dnssecOk === true };
  const short = await exchange(askByUdp, server, { ...query, edns });
  return short.truncated ? exchange(askByTcp, server, { ...query, edns }) : short;
}

/** Sends a packet and resolves with the first response that `read` accepts. */
type Transport = (
  server: Server,
  packet: Buffer,
  read: (packet: Buffer) => Response | undefined,
  signal: AbortSignal,
) => Promise<Response>;

async function exchange(transport: Transport, server: Server, query: Asked): Promise<Response> {
  const id = randomInt(0x1_00_00);
  const packet = writeQuery(query, id);
  // What is no response is ignored: it may be forged.
  const read = (received: Buffer): Response | undefined => {
    try {
      return parseResponse(received, id, query.question);
    } catch {
      return undefined;
    }
  };
  let response: Response | undefined;
  const attempt = async (signal: AbortSignal): Promise<void> => {
    response = await transport(server, packet, read, signal);
  };
  await probeOnce(attempt, attemptMs, new AbortController().signal);
  return response!;
}

async function askByUdp(
  ...[{ address, port }, packet, read, signal]: Parameters<Transport>
): Promise<Response> {
  // A port of its own for each question: an answer is hard to forge.
  const socket = createSocket(isIPv6(address) ? 'udp6' : 'udp4');
  return new Promise<Response>((resolve, reject) => {
    signal.addEventListener('abort', () => reject(signal.reason), { once: true });
    socket.on('error', reject);
    socket.on('message', (received) => {
      const response = read(received);
      if (response !== undefined) resolve(response);
    });
    socket.connect(port, address, () => socket.send(packet));
  }).finally(() => socket.close());
}

async function askByTcp(
  ...[{ address, port }, packet, read, signal]: Parameters<Transport>
): Promise<Response> {
  const socket = connect({ host: address, port });
  return new Promise<Response>((resolve, reject) => {
    signal.addEventListener('abort', () => reject(signal.reason), { once: true });
    socket.on('error', reject);
    socket.on('end', () => reject(new Error('the connection was closed without an answer')));
    readFrames(socket, (received) => {
      const response = read(received);
      if (response !== undefined) resolve(response);
    });
    socket.write(frame(packet));
  }).finally(() => socket.destroy());
}

/** How long an answer is remembered at most, in seconds: as in the Corefile of kubeadm. */
const maxSeconds = 30;
const maxEntries = 500;

interface CachedReply {
  readonly reply: Reply;
  readonly storedAt: number;
  readonly seconds: number;
}

/** The last answers, for at most {@link maxSeconds}. */
class ReplyCache {
  readonly #entries = new Map<string, CachedReply>();

  /** The answer with the rest of its time. */
  get(key: string): Reply | undefined {
    const entry = this.#entries.get(key);
    if (entry === undefined) return undefined;
    const age = Math.floor((performance.now() - entry.storedAt) / 1000);
    this.#entries.delete(key);
    if (age >= entry.seconds) return undefined;
    // The last one used is the last one dropped.
    this.#entries.set(key, entry);
    const aged = (records: readonly ResourceRecord[]): ResourceRecord[] =>
      records.map((record) => ({ ...record, ttl: Math.max(0, (record.ttl ?? 0) - age) }));
    const { answers, authorities, additionals } = entry.reply;
    return {
      ...entry.reply,
      answers: aged(answers),
      authorities: aged(authorities),
      additionals: aged(additionals),
    };
  }

  set(key: string, reply: Reply): void {
    const seconds = lifetime(reply);
    if (seconds <= 0) return;
    const [oldest] = this.#entries.keys();
    if (this.#entries.size >= maxEntries && oldest !== undefined) this.#entries.delete(oldest);
    this.#entries.set(key, { reply, storedAt: performance.now(), seconds });
  }
}

/** How long an answer holds, in seconds: the shortest time of its records, or of the SOA if there are none (RFC 2308). */
function lifetime({ rcode, answers, authorities }: Reply): number {
  if (rcode !== rcodes.noError && rcode !== rcodes.nameError) return 0;
  const times =
    answers.length > 0 && rcode === rcodes.noError
      ? answers.map((record) => record.ttl ?? 0)
      : authorities.flatMap((record) =>
          record.type === 'SOA' ? [Math.min(record.ttl ?? 0, record.data.minimum ?? 0)] : [],
        );
  return times.length === 0 ? 0 : Math.min(maxSeconds, ...times);
}
