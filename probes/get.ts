import { readFile } from 'node:fs/promises';
import { Agent } from 'node:http';
import { Agent as HttpsAgent } from 'node:https';
import type { Got } from 'got';
import { Unhealthy } from './probe.ts';
import { cannotReach, codeOf } from './reason.ts';

/** Who is trusted and who asks. Paths of PEM files: they may be written after the probe is made. */
export interface Tls {
  /** The CA that must have signed the server's certificate. Without it: those the machine trusts. */
  readonly ca?: string;
  /** The client's certificate, and its private key. */
  readonly cert?: string;
  readonly key?: string;
}

export interface GetOptions extends Tls {
  readonly headers?: Readonly<Record<string, string>>;
  /** Connect to this unix socket instead of the URL's host. */
  readonly socketPath?: string;
  /** Read at most about this many bytes of the body; the rest is left unread. Default 64 KiB. */
  readonly maxBytes?: number;
}

export interface Answer {
  readonly status: number;
  /** `Service Unavailable`; empty when the server sends none. */
  readonly statusText: string;
  readonly body: string;
}

/**
 * A GET of one URL over one kept-alive connection, TLS always verified. Follows no redirect and never tries twice.
 * Any status is an answer; no answer rejects with an Unhealthy. The PEM files are read before the first look and
 * again after each look without an answer, so certificates may appear, or be replaced, at any time.
 *
 * Throws an Error when the URL or the choice of options cannot be right.
 */
export function getter(address: string, options: GetOptions = {}): (signal: AbortSignal) => Promise<Answer> {
  const url = httpUrl(address, options);
  const isTls = url.protocol === 'https:';
  const where = options.socketPath ?? `${url.hostname}:${url.port || (isTls ? 443 : 80)}`;
  let connection: Connection | undefined;
  return async (signal) => {
    try {
      connection ??= await connect(isTls, options);
      return await get(url, connection, options, signal);
    } catch (error) {
      // Refused says nothing about the connection or the files we hold; anything else may.
      if (codeOf(error) !== 'ECONNREFUSED') {
        connection?.agent.destroy();
        connection = undefined;
      }
      signal.throwIfAborted();
      throw cannotReach(error, where, options);
    }
  };
}

/** What is the same for each look: made once, as it is a good part of what a look costs. */
interface Connection {
  readonly agent: Agent | HttpsAgent;
  readonly client: Got;
}

async function connect(isTls: boolean, options: GetOptions): Promise<Connection> {
  // Loaded at the first look: it takes longer to load (about 80 ms) than a command that never asks should wait.
  const { got } = await import('got');
  const agent = await keepAlive(isTls, options);
  const client = got.extend({
    agent: agent instanceof HttpsAgent ? { https: agent } : { http: agent },
    headers: options.headers ?? {},
    retry: { limit: 0 },
    followRedirect: false,
    throwHttpErrors: false,
    decompress: false,
  });
  return { agent, client };
}

async function get(
  url: URL,
  { client }: Connection,
  { maxBytes = 64 * 1024 }: GetOptions,
  signal: AbortSignal,
): Promise<Answer> {
  const stream = client.stream(url, { signal });
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of stream as AsyncIterable<Buffer>) {
    chunks.push(chunk);
    bytes += chunk.length;
    if (bytes >= maxBytes) break;
  }
  const { response } = stream;
  if (!response) throw new Error('closed the connection without an answer');
  const body = Buffer.concat(chunks).toString('utf8', 0, maxBytes);
  return { status: response.statusCode, statusText: response.statusMessage ?? '', body };
}

async function keepAlive(
  isTls: boolean,
  { ca, cert, key, socketPath }: GetOptions,
): Promise<Agent | HttpsAgent> {
  // The connection of a probe that is no longer used closes itself.
  const options = { keepAlive: true, maxFreeSockets: 1, timeout: 10_000, ...(socketPath && { socketPath }) };
  if (!isTls) return new Agent(options);
  return new HttpsAgent({
    ...options,
    ...(ca && { ca: await pem(ca) }),
    ...(cert && { cert: await pem(cert) }),
    ...(key && { key: await pem(key) }),
    rejectUnauthorized: true,
  });
}

async function pem(path: string): Promise<Buffer> {
  try {
    return await readFile(path);
  } catch (error) {
    const why = codeOf(error) === 'ENOENT' ? 'it does not exist' : String(error);
    throw new Unhealthy(`cannot read ${path}: ${why}`, { cause: error });
  }
}

function httpUrl(address: string, { ca, cert, key }: Tls): URL {
  if (!URL.canParse(address)) throw new Error(`not a URL: ${address}`);
  const url = new URL(address);
  if (!/^https?:$/.test(url.protocol)) throw new Error(`not an http or https URL: ${address}`);
  if (url.protocol === 'http:' && (ca || cert))
    throw new Error(`certificates are for https, not for ${address}`);
  if (Boolean(cert) !== Boolean(key)) throw new Error('a client certificate and its key go together');
  return url;
}
