import { Unhealthy } from '../../probes/probe.ts';
import { httpClient } from '../../probes/transport/httpClient.ts';
import type { Tls } from '../../probes/transport/httpClient.ts';
import { parseJson, textAt } from '../../probes/transport/json.ts';

/** A client URL of etcd without a path, and how to reach it. */
export interface EtcdAccess extends Tls {
  readonly url: string;
  /** Its unix socket, if it listens on one. */
  readonly socketPath?: string;
}

/**
 * Sends one request to etcd's API, such as `kv/range`, and resolves with the answer. Keys and values are base64, numbers are texts.
 * Rejects with an Unhealthy that has etcd's reason.
 */
export type EtcdGateway = (path: string, body: object, signal: AbortSignal) => Promise<unknown>;

/** An answer has at most this many bytes: a page of the largest objects. */
const maxAnswerBytes = 256 * 2 ** 20;

/** etcd's API as JSON over HTTP: https://etcd.io/docs/latest/dev-guide/api_grpc_gateway/. Keeps its connection. */
export function etcdGateway({ url, ...access }: EtcdAccess): EtcdGateway {
  const send = httpClient(url, { ...access, method: 'POST', maxBytes: maxAnswerBytes });
  return async (path, body, signal) => {
    const { status, body: text } = await send(signal, `/v3/${path}`, JSON.stringify(body));
    const content = parseJson(text);
    if (status === 200 && content !== undefined) return content;
    throw new Unhealthy(`etcd refuses ${path}: ${textAt(content, 'error') || `HTTP ${status}`}`);
  };
}

/** A text as etcd's JSON has it. */
export function toBase64(text: string): string {
  return Buffer.from(text).toString('base64');
}
