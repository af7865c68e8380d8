import { readFile } from 'node:fs/promises';
import { Agent as HttpAgent } from 'node:http';
import { Agent as HttpsAgent } from 'node:https';
import { execa } from 'execa';
import { got, type Method } from 'got';
import { Unhealthy } from '../../probes/probe.ts';
import { caBundle } from '../../probes/transport/caBundle.ts';
import { at, listAt, parseJson, textAt } from '../../probes/transport/json.ts';
import { cannotReach, oneLine } from '../../probes/transport/reason.ts';
import { Failure, reasonOf } from '../lib/errors.ts';

/** The address of a cluster and the credentials of a user. Certificates and keys are PEM texts. */
export interface Access {
  readonly server: string;
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
  readonly token?: string;
  /** The name in the server's certificate, if it is not the host of `server`. */
  readonly serverName?: string;
  readonly insecure: boolean;
}

/**
 * Reads the current context of a kubeconfig with kubectl, so that files, embedded data and defaults have the
 * meaning they have there.
 * @throws Failure `usage` when kubectl cannot read it, or when it needs an authentication method that we do
 * not support.
 */
export async function readAccess(kubectl: string, kubeconfig: string): Promise<Access> {
  const view = ['config', 'view', '--raw', '--minify', '--flatten', '--output', 'json'];
  const { stdout } = await execa(kubectl, ['--kubeconfig', kubeconfig, ...view]).catch((cause: unknown) => {
    const stderr = cause instanceof Error && 'stderr' in cause ? String(cause.stderr).trim() : '';
    throw new Failure('usage', `${kubeconfig} cannot be used: ${stderr || reasonOf(cause)}`, { cause });
  });
  const config = parseJson(stdout);
  const cluster = at(listAt(config, 'clusters')[0], 'cluster');
  const user = at(listAt(config, 'users')[0], 'user');
  const server = textAt(cluster, 'server');
  if (server === '') throw new Failure('usage', `${kubeconfig} names no server`);
  assertSupported(kubeconfig, cluster, user);
  const tokenFile = textAt(user, 'tokenFile');
  const fields = {
    ca: fromBase64(textAt(cluster, 'certificate-authority-data')),
    cert: fromBase64(textAt(user, 'client-certificate-data')),
    key: fromBase64(textAt(user, 'client-key-data')),
    token: tokenFile === '' ? textAt(user, 'token') : (await readFile(tokenFile, 'utf8')).trim(),
    serverName: textAt(cluster, 'tls-server-name'),
  };
  return {
    server: server.replace(/\/+$/, ''),
    ...Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== '')),
    insecure: at(cluster, 'insecure-skip-tls-verify') === true,
  };
}

/** The same cluster with a token as the only credentials. */
export function withToken({ cert: _cert, key: _key, ...cluster }: Access, token: string): Access {
  return { ...cluster, token };
}

/** @throws Failure `usage` when the kubeconfig needs another program, a password or a proxy. */
function assertSupported(kubeconfig: string, cluster: unknown, user: unknown): void {
  const unsupported =
    ['exec', 'auth-provider', 'username'].find((key) => at(user, key) !== undefined) ??
    ['proxy-url'].find((key) => at(cluster, key) !== undefined);
  if (unsupported === undefined) return;
  throw new Failure('usage', `${kubeconfig} uses "${unsupported}", which the smoke test does not support`, {
    hint: 'give a kubeconfig with a client certificate or a token: kubectl create token, kubectl config set-credentials',
  });
}

function fromBase64(base64: string): string {
  return Buffer.from(base64, 'base64').toString('utf8');
}

/**
 * A client of the Kubernetes API. Paths start with `/api`. Rejects with an {@link ApiError} for an error
 * status, and with an Unhealthy when there is no response.
 */
export interface Api {
  readonly get: (path: string, signal: AbortSignal) => Promise<unknown>;
  /** Resolves with undefined when the object does not exist. */
  readonly find: (path: string, signal: AbortSignal) => Promise<unknown>;
  readonly text: (path: string, signal: AbortSignal) => Promise<string>;
  readonly create: (path: string, object: object, signal: AbortSignal) => Promise<unknown>;
  /** `change` is a JSON merge patch (RFC 7386). */
  readonly patch: (path: string, change: object, signal: AbortSignal) => Promise<unknown>;
  /** Resolves also when the object does not exist. */
  readonly remove: (path: string, signal: AbortSignal) => Promise<void>;
}

/** A response with an error status. The message is the API server's. */
export class ApiError extends Unhealthy {
  readonly status: number;

  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}

/** The time limit of one request, in ms. Only a hanging request takes as long. */
const requestTimeoutMs = 10_000;

/** Makes a client. Sends nothing yet. */
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
  const send = async (
    method: Method,
    path: string,
    signal: AbortSignal,
    object?: object,
  ): Promise<string> => {
    const type = method === 'PATCH' ? 'application/merge-patch+json' : 'application/json';
    const { statusCode, body } = await got(`${server}${path}`, {
      method,
      agent,
      signal,
      headers: {
        ...(token && { authorization: `Bearer ${token}` }),
        ...(object && { 'content-type': type }),
      },
      ...(object && { body: JSON.stringify(object) }),
      retry: { limit: 0 },
      timeout: { request: requestTimeoutMs },
      followRedirect: false,
      throwHttpErrors: false,
    }).catch((error: unknown) => {
      signal.throwIfAborted();
      throw cannotReach(error, new URL(server).host);
    });
    if (statusCode >= 200 && statusCode < 300) return body;
    throw new ApiError(
      statusCode,
      textAt(parseJson(body), 'message') || oneLine(body) || `HTTP ${statusCode}`,
    );
  };
  return {
    get: async (path, signal) => parseJson(await send('GET', path, signal)),
    find: async (path, signal) => parseJson((await send('GET', path, signal).catch(ignoreNotFound)) ?? ''),
    text: async (path, signal) => send('GET', path, signal),
    create: async (path, object, signal) => parseJson(await send('POST', path, signal, object)),
    patch: async (path, change, signal) => parseJson(await send('PATCH', path, signal, change)),
    remove: async (path, signal) => void (await send('DELETE', path, signal).catch(ignoreNotFound)),
  };
}

function ignoreNotFound(error: unknown): undefined {
  if (!(error instanceof ApiError && error.status === 404)) throw error;
}
