import type { ClientHttp2Session } from 'node:http2';
import type { NetConnectOpts } from 'node:net';
import { connect } from './connect.ts';
import { Unhealthy } from '../probe.ts';
import { errorCode } from '../errorCode.ts';
import { cannotReach } from './reason.ts';
import { GrpcError, unary } from './unary.ts';

/** Calls `/package.Service/Method` with one message; resolves with the response message. */
export type Call = (method: string, message: Buffer, signal: AbortSignal) => Promise<Buffer>;

/**
 * gRPC calls without TLS over one keep-alive connection to `unix:///path`, `/path` or `host:port`. A call rejects with a
 * {@link GrpcError} if the server returns an error status, and with an Unhealthy if there is no response.
 *
 * Throws an Error if the target is invalid. `maxBytes`: the limit of a response, 64 KiB by default.
 */
export function grpcChannel(target: string, options: { readonly maxBytes?: number } = {}): Call {
  const { to, where } = parse(target);
  let session: ClientHttp2Session | undefined;
  return async (method, message, signal) => {
    try {
      session ??= await open(to, where, signal);
      session.ref();
      return await unary(session, { method, message, ...options }, signal);
    } catch (error) {
      if (error instanceof GrpcError) throw error;
      session?.destroy();
      session = undefined;
      signal.throwIfAborted();
      throw asReason(error, where);
    } finally {
      // Between two calls, the connection must not keep the process alive.
      session?.unref();
    }
  };
}

async function open(to: NetConnectOpts, where: string, signal: AbortSignal): Promise<ClientHttp2Session> {
  // Loaded on demand: it is the slowest built-in module to load. Loaded before connecting: a session on a socket that has
  // been closed in the meantime would hang.
  const { connect: connectHttp2 } = await import('node:http2');
  const socket = await connect(to, where, signal);
  const session = connectHttp2('http://localhost', { createConnection: () => socket });
  // A call in progress rejects with the same error. Otherwise, the next call finds the session closed.
  session.on('error', () => {});
  return session;
}

function asReason(error: unknown, where: string): Unhealthy {
  if (errorCode(error)?.startsWith('ERR_HTTP2_') === true) {
    return new Unhealthy(`${where} does not speak gRPC, or closed the connection`, { cause: error });
  }
  return cannotReach(error, where);
}

function parse(target: string): { to: NetConnectOpts; where: string } {
  const path = /^(?:unix:(?:\/\/)?)?(?<path>\/.+)$/.exec(target)?.groups?.['path'];
  if (path !== undefined) return { to: { path }, where: path };
  const [, host, port] = /^(?<host>[^:/]+|\[[\da-f:]+\]):(?<port>\d+)$/i.exec(target) ?? [];
  if (host === undefined || !(Number(port) <= 65_535)) {
    throw new Error(`not a gRPC target: ${target} (unix:///path, /path or host:port)`);
  }
  return { to: { host: host.replaceAll(/[[\]]/g, ''), port: Number(port) }, where: target };
}
