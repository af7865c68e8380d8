import { readFileSync } from 'node:fs';
import { Agent, request } from 'node:http';
import type { AgentOptions } from 'node:http';
import { Agent as HttpsAgent, request as requestTls } from 'node:https';
import type { RequestOptions } from 'node:https';
import { urlToHttpOptions } from 'node:url';
import { caBundle } from './caBundle.ts';
import { Unhealthy } from '../probe.ts';
import { errorCode } from '../errorCode.ts';
import { cannotReach } from './reason.ts';

/** Paths of PEM files, which may be written after the probe is created. */
export interface Tls {
  /** The CA that must have signed the server's certificate. Default: see {@link caBundle}. */
  readonly ca?: string;
  /** The client's certificate, and its private key. */
  readonly cert?: string;
  readonly key?: string;
}

export interface HttpRequestOptions extends Tls {
  /** Default GET. */
  readonly method?: 'DELETE' | 'GET' | 'PATCH' | 'POST';
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
  /** Connect to this unix socket instead of the URL's host. */
  readonly socketPath?: string;
  /** At most this many bytes of the body are read. Default 64 KiB. */
  readonly maxBytes?: number;
}

export interface HttpResponse {
  readonly status: number;
  /** `Service Unavailable`; empty when the server sends none. */
  readonly statusText: string;
  readonly body: string;
}

/**
 * Requests one URL over one keep-alive connection; TLS is always verified. Never follows a redirect and never retries. Any
 * status resolves; no response rejects with an Unhealthy. The PEM files are read for each connection, so that certificates may be
 * created or replaced at any time. `path` and `body` of a request replace those of the URL and of the options.
 *
 * Uses node:http: this runs several times a second as long as the node does, on the node's own processors and memory
 * (bench/NOTES.md has the cost of an attempt).
 *
 * Throws an Error if the URL or the combination of options is invalid.
 */
export function httpClient(
  address: string,
  options: HttpRequestOptions = {},
): (signal: AbortSignal, path?: string, body?: string) => Promise<HttpResponse> {
  const url = httpUrl(address, options);
  // Once: it is a large part of the cost of a request.
  const target = urlToHttpOptions(url);
  const isTls = url.protocol === 'https:';
  const where = options.socketPath ?? `${url.hostname}:${url.port || (isTls ? 443 : 80)}`;
  const agent = isTls ? new TlsAgent(options) : new Agent(keepAlive(options));
  return async (signal, path, body = options.body) => {
    signal.throwIfAborted();
    try {
      const sent = { ...options, ...(body !== undefined && { body }) };
      return await sendRequest(path === undefined ? target : { ...target, path }, agent, sent, signal);
    } catch (error) {
      signal.throwIfAborted();
      throw cannotReach(error, where, options);
    }
  };
}

async function sendRequest(
  target: RequestOptions,
  agent: Agent | HttpsAgent,
  { method = 'GET', headers = {}, body, maxBytes = 64 * 1024 }: HttpRequestOptions,
  signal: AbortSignal,
): Promise<HttpResponse> {
  return new Promise((resolve, reject) => {
    const send = agent instanceof HttpsAgent ? requestTls : request;
    // Node.js leaves the length out for DELETE: then the server takes the body for the next request.
    const length = body === undefined ? {} : { 'content-length': Buffer.byteLength(body) };
    const all = { ...length, ...headers };
    const sent = send({ ...target, agent, method, headers: all, signal }, (response) => {
      const chunks: Buffer[] = [];
      let bytes = 0;
      const finish = (): void => {
        const { statusCode = 0, statusMessage = '' } = response;
        const text = Buffer.concat(chunks).toString('utf8', 0, maxBytes);
        resolve({ status: statusCode, statusText: statusMessage, body: text });
      };
      response.on('error', reject).on('end', finish);
      response.on('data', (chunk: Buffer) => {
        chunks.push(chunk);
        bytes += chunk.length;
        if (bytes < maxBytes) return;
        finish();
        sent.destroy();
      });
    });
    sent.on('error', reject).end(body);
  });
}

function keepAlive({ socketPath }: HttpRequestOptions): AgentOptions {
  // With a timeout, the connection of a probe that is no longer used is closed.
  return { keepAlive: true, maxFreeSockets: 1, timeout: 10_000, ...(socketPath && { socketPath }) };
}

/** Reads the certificates for each connection. */
class TlsAgent extends HttpsAgent {
  readonly #tls: Tls;

  constructor(options: HttpRequestOptions) {
    // A session that is resumed would be that of the client's old certificate.
    super({ ...keepAlive(options), rejectUnauthorized: true, maxCachedSessions: 0 });
    this.#tls = options;
  }

  override createConnection(...[options, callback]: Parameters<HttpsAgent['createConnection']>) {
    const { ca, cert, key } = this.#tls;
    const files = {
      ca: ca === undefined ? caBundle() : pem(ca),
      ...(cert && { cert: pem(cert) }),
      ...(key && { key: pem(key) }),
    };
    return super.createConnection({ ...options, ...files }, callback);
  }
}

function pem(path: string): Buffer {
  try {
    return readFileSync(path);
  } catch (error) {
    const why = errorCode(error) === 'ENOENT' ? 'it does not exist' : String(error);
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
