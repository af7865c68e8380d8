import { Agent as HttpAgent } from 'node:http';
import { Agent as HttpsAgent } from 'node:https';
import { got, type Method } from 'got';
import { caBundle } from '../../probes/transport/caBundle.ts';
import { parseJson, textAt } from '../../probes/transport/json.ts';
import { Unhealthy } from '../../probes/probe.ts';
import { cannotReach, oneLine } from '../../probes/transport/reason.ts';
import type { Access } from './access.ts';

/** The Kubernetes API. Paths begin with `/api`. Rejects with an {@link ApiError}, or an Unhealthy without an answer. */
export interface Api {
  readonly get: (path: string, signal: AbortSignal) => Promise<unknown>;
  /** Undefined when it is not there. */
  readonly find: (path: string, signal: AbortSignal) => Promise<unknown>;
  readonly text: (path: string, signal: AbortSignal) => Promise<string>;
  readonly create: (path: string, object: object, signal: AbortSignal) => Promise<unknown>;
  /** A JSON merge patch (RFC 7386). */
  readonly patch: (path: string, change: object, signal: AbortSignal) => Promise<unknown>;
  /** What is gone already is no error. */
  readonly remove: (path: string, signal: AbortSignal) => Promise<void>;
}

/** The API server's own "no". */
export class ApiError extends Unhealthy {
  readonly status: number;

  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}

/** The time limit of one request, in ms: longer than any that is not hanging. */
const requestTimeoutMs = 10_000;

/** The API as `access` allows to see it. Nothing is sent yet. */
export function apiOf(access: Access): Api {
  const { server, ca, cert, key, token, serverName, insecure } = access;
  const keepAlive = { keepAlive: true, maxSockets: 16 };
  const https = new HttpsAgent({
    ...keepAlive,
    rejectUnauthorized: !insecure,
    ca: ca ?? caBundle(),
    ...(cert && { cert, key }),
    ...(serverName && { servername: serverName }),
  });
  const agent = server.startsWith('https:') ? { https } : { http: new HttpAgent(keepAlive) };
  const ask = async (method: Method, path: string, signal: AbortSignal, body?: object): Promise<string> => {
    const type = method === 'PATCH' ? 'application/merge-patch+json' : 'application/json';
    const answer = await got(`${server}${path}`, {
      method,
      agent,
      signal,
      headers: {
        ...(token && { authorization: `Bearer ${token}` }),
        ...(body && { 'content-type': type }),
      },
      ...(body && { body: JSON.stringify(body) }),
      retry: { limit: 0 },
      timeout: { request: requestTimeoutMs },
      followRedirect: false,
      throwHttpErrors: false,
    }).catch((error: unknown) => {
      signal.throwIfAborted();
      throw cannotReach(error, new URL(server).host);
    });
    const { statusCode, body: text } = answer;
    if (statusCode >= 200 && statusCode < 300) return text;
    const said = textAt(parseJson(text), 'message') || oneLine(text) || `HTTP ${statusCode}`;
    throw new ApiError(statusCode, said);
  };
  return {
    get: async (path, signal) => parseJson(await ask('GET', path, signal)),
    find: async (path, signal) => parseJson((await ask('GET', path, signal).catch(notThere)) ?? ''),
    text: async (path, signal) => ask('GET', path, signal),
    create: async (path, object, signal) => parseJson(await ask('POST', path, signal, object)),
    patch: async (path, change, signal) => parseJson(await ask('PATCH', path, signal, change)),
    remove: async (path, signal) => void (await ask('DELETE', path, signal).catch(notThere)),
  };
}

function notThere(error: unknown): undefined {
  if (!(error instanceof ApiError && error.status === 404)) throw error;
}
