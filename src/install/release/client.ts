import { existsSync, readFileSync } from 'node:fs';
import { Agent as HttpAgent } from 'node:http';
import { Agent as HttpsAgent } from 'node:https';
import { createSecureContext, rootCertificates } from 'node:tls';
import { got, HTTPError, MaxRedirectsError } from 'got';
import pRetry, { AbortError } from 'p-retry';
import type { Agents, Got, Request } from 'got';
import { HttpProxyAgent } from 'http-proxy-agent';
import { HttpsProxyAgent } from 'https-proxy-agent';
import { errorCode } from '../../../probes/errorCode.ts';
import { caBundle } from '../../../probes/transport/caBundle.ts';
import { cannotReach, oneLine } from '../../../probes/transport/reason.ts';
import { Failure, reasonOf } from '../../lib/errors.ts';
import { version } from '../../lib/version.ts';
import { lookupUntil } from './lookup.ts';
import { proxyFor } from './proxies.ts';

/** When a connection is given up, in ms, and the speed below which it is. */
export interface Limits {
  readonly connectMs: number;
  /** Without a byte, and the window in which `minBytes` have to arrive. */
  readonly stallMs: number;
  readonly minBytes: number;
  /** The pauses between attempts that make no progress: the first one, doubled up to `maxRetryMs`. */
  readonly retries: number;
  readonly retryMs: number;
  readonly maxRetryMs: number;
}

/** A line as slow as 1 kB/s is waited for; the longest silence that is survived is about a minute. */
const defaultLimits: Limits = {
  connectMs: 10_000,
  stallMs: 30_000,
  minBytes: 32_768,
  retries: 6,
  retryMs: 500,
  maxRetryMs: 16_000,
};

/** Where the certificates that a machine trusts are, by distribution: the files that Go's crypto/x509 reads. */
const systemBundles = [
  '/etc/ssl/certs/ca-certificates.crt',
  '/etc/pki/tls/certs/ca-bundle.crt',
  '/etc/ssl/ca-bundle.pem',
  '/etc/ssl/cert.pem',
];

/** A client for the publishers, or for a mirror of them: see {@link publisherClient}. */
export interface PublisherClient {
  readonly limits: Limits;
  /** What the server is called in messages. */
  readonly name: string;
  readonly mirror: string | undefined;
  /** Whether any server has answered yet, be it with an error. */
  readonly hasAnswered: boolean;
  urlOf(host: string, path: string): string;
  /** Requests a file as a stream. Redirects are followed. */
  stream(url: string, headers: Readonly<Record<string, string>>, signal: AbortSignal): Request;
  /** A small text; undefined when the server does not have it. Rejects with a got error. */
  text(url: string, signal: AbortSignal, timeoutMs?: number): Promise<string | undefined>;
}

/**
 * Makes a client. It uses the proxies of the environment, and trusts the CAs of Node.js, of the machine, of NODE_EXTRA_CA_CERTS
 * and of SSL_CERT_FILE.
 * @param mirror the base below which the files of each publisher are in a folder with the publisher's name
 * @throws Failure `usage` when the mirror is not a URL
 */
export function publisherClient(mirror?: string, limits: Partial<Limits> = {}): PublisherClient {
  const base = mirror === undefined ? undefined : parseMirror(mirror);
  const all = { ...defaultLimits, ...limits };
  const agentFor = agents();
  const request = requestWith(all, agentFor);
  let hasAnswered = false;
  const onResponse = (): void => void (hasAnswered = true);
  return {
    get hasAnswered() {
      return hasAnswered;
    },
    limits: all,
    name: base === undefined ? 'dl.k8s.io' : withoutPassword(base),
    mirror: base,
    urlOf: (host, path) => (base === undefined ? `https://${host}/${path}` : `${base}/${host}/${path}`),
    stream(url, headers, signal) {
      const end = new AbortController();
      const dnsLookup = lookupUntil(end.signal);
      const stream = request.stream(url, { headers, signal, dnsLookup, agent: agentFor(new URL(url)) });
      return stream.once('response', onResponse).once('close', () => end.abort());
    },
    async text(url, signal, timeoutMs = all.stallMs) {
      const end = new AbortController();
      const response = request(url, {
        signal,
        dnsLookup: lookupUntil(end.signal),
        agent: agentFor(new URL(url)),
        timeout: { request: timeoutMs },
      });
      // A server that answers everything with something large is no mirror.
      void response.on('response', onResponse).on('downloadProgress', ({ transferred }) => {
        if (transferred > maxTextBytes) response.cancel(`more than ${maxTextBytes} bytes`);
      });
      try {
        return (await response).body;
      } catch (error) {
        if (error instanceof HTTPError && [403, 404, 410].includes(error.response.statusCode))
          return undefined;
        throw error;
      } finally {
        end.abort();
      }
    },
  };
}

/** The longest list of checksums, that of a whole Kubernetes release, has 100 kB. */
const maxTextBytes = 4 * 2 ** 20;

function requestWith({ connectMs, stallMs }: Limits, agentFor: (url: URL) => Agents): Got {
  return got.extend({
    retry: { limit: 0 },
    // An archive is stored as it is published.
    decompress: false,
    headers: { 'user-agent': `k8s-single/${version()}` },
    timeout: {
      lookup: connectMs,
      connect: connectMs,
      secureConnect: connectMs,
      socket: stallMs,
      response: stallMs,
    },
    hooks: {
      beforeRedirect: [
        (options, { url: from }) => {
          const to = new URL(String(options.url));
          if (new URL(from).protocol === 'https:' && to.protocol !== 'https:') {
            throw new Error(`${new URL(from).host} redirects to ${to.href}, which is not encrypted`);
          }
          options.agent = agentFor(to);
        },
      ],
    },
  });
}

/** Uses its certificates for the server behind the proxy, too: the class itself takes them from each request. */
class TunnelAgent extends HttpsProxyAgent<string> {
  override async connect(...[request, options]: Parameters<HttpsProxyAgent<string>['connect']>) {
    const { secureContext } = this.connectOpts;
    return await super.connect(request, { ...options, ...(secureContext && { secureContext }) });
  }
}

/** The agents of a client: one for each proxy, and one without. They keep connections. */
function agents(): (url: URL) => Agents {
  // Once, not for each connection: a few hundred certificates take 30 ms.
  const tls = { keepAlive: true, secureContext: createSecureContext({ ca: trustedCas() }) };
  const made = new Map<string | undefined, Agents>();
  return (url) => {
    const proxy = proxyFor(url);
    const known = made.get(proxy) ?? {
      http: proxy === undefined ? new HttpAgent({ keepAlive: true }) : new HttpProxyAgent(proxy, tls),
      https: proxy === undefined ? new HttpsAgent(tls) : new TunnelAgent(proxy, tls),
    };
    made.set(proxy, known);
    return known;
  };
}

function trustedCas(): string[] {
  const files = [process.env['SSL_CERT_FILE'], systemBundles.find((file) => existsSync(file))];
  return [
    ...(caBundle() ?? rootCertificates),
    ...files.flatMap((file) => {
      try {
        return file ? [readFileSync(file, 'utf8')] : [];
      } catch {
        return [];
      }
    }),
  ];
}

function parseMirror(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url !== undefined && /^https?:$/.test(url.protocol) && url.search === '' && url.hash === '') {
    return url.href.replace(/\/+$/, '');
  }
  throw new Failure('usage', `the mirror ${JSON.stringify(text)} is no URL: expected one like ${mirrorForm}`);
}

/** An example, for messages. */
const mirrorForm = 'https://files.example.com/mirror';

/** A URL for messages. */
export function withoutPassword(text: string): string {
  const url = new URL(text);
  return url.password === '' ? text : text.replace(`:${url.password}@`, ':***@');
}

/** Why a request failed, for people. */
export function requestReason(error: unknown, url: string): string {
  if (error instanceof HTTPError) {
    const { statusCode, statusMessage = '' } = error.response;
    return `HTTP ${statusCode} ${oneLine(statusMessage)}`.trim();
  }
  if (error instanceof MaxRedirectsError) return 'it redirects in a circle';
  return reasonOf(cannotReach(error, new URL(url).host));
}

/** How often a server that has never answered is tried again: a wrong name or address is a mistake, most often. */
const retriesUnanswered = 2;

/**
 * Runs an attempt again after a failure that another one may cure, with pauses that double.
 * @throws Failure `install` with the last reason; the signal's reason when it aborts
 */
export async function retried<T>(
  client: Pick<PublisherClient, 'limits' | 'hasAnswered'>,
  { url, signal, onRetry }: { url: string; signal: AbortSignal; onRetry?: (reason: string) => void },
  attempt: () => Promise<T>,
): Promise<T> {
  const { retries, retryMs, maxRetryMs } = client.limits;
  const timing = { retries, minTimeout: retryMs, maxTimeout: maxRetryMs, randomize: true, signal };
  const once = async (count: number): Promise<T> => {
    try {
      return await attempt();
    } catch (error) {
      signal.throwIfAborted();
      const isHopeless = !client.hasAnswered && !(error instanceof HTTPError) && count > retriesUnanswered;
      if (error instanceof Failure || isHopeless || !isTransient(error))
        throw new AbortError(failureOf(error, url));
      throw error;
    }
  };
  const onFailedAttempt = ({ error }: { error: Error }): void => onRetry?.(requestReason(error, url));
  return await pRetry(once, { ...timing, onFailedAttempt }).catch((error: unknown) => {
    signal.throwIfAborted();
    throw failureOf(error, url);
  });
}

function failureOf(error: unknown, url: string): Failure {
  if (error instanceof Failure) return error;
  return new Failure('install', `cannot download ${withoutPassword(url)}: ${requestReason(error, url)}`, {
    hint: 'try again; behind a proxy set HTTPS_PROXY; without internet use --mirror URL, install --from BUNDLE or --bin-dir',
    cause: error,
  });
}

/** Whether another attempt may succeed: not after an answer that says no, nor after a certificate that is not trusted. */
export function isTransient(error: unknown): boolean {
  if (error instanceof MaxRedirectsError) return false;
  if (error instanceof HTTPError) {
    const { statusCode } = error.response;
    return statusCode >= 500 || [408, 425, 429].includes(statusCode);
  }
  if (error instanceof Failure) return false;
  return !/certificate|CERT|not encrypted/.test(`${reasonOf(error)} ${errorCode(error) ?? ''}`);
}
