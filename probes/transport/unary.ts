import type { ClientHttp2Session, IncomingHttpHeaders } from 'node:http2';
import { oneLine } from './reason.ts';

/** The server returned a status other than OK. The message is the reason, for people: one short line. */
export class GrpcError extends Error {
  override readonly name = 'GrpcError';
  readonly status: number;
  /** The server's whole message, which is not safe for a terminal. */
  readonly details: string;

  constructor(status: number, message: string, details = message) {
    super(message);
    this.status = status;
    this.details = details;
  }
}

/** The server does not know the service or the method. https://grpc.io/docs/guides/status-codes/ */
export const UNIMPLEMENTED = 12;

/** The responses of health services have some hundred bytes. */
const defaultMaxBytes = 64 * 1024;

/** What is sent, and the limit of the response in bytes. */
interface UnaryRequest {
  readonly method: string;
  readonly message: Buffer;
  readonly maxBytes?: number;
}

/**
 * One unary gRPC call. Rejects with a {@link GrpcError}, or with the error of the connection.
 * https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md
 */
export function unary(
  session: ClientHttp2Session,
  { method, message, maxBytes = defaultMaxBytes }: UnaryRequest,
  signal: AbortSignal,
): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const stream = session.request(
      { ':method': 'POST', ':path': method, 'content-type': 'application/grpc', te: 'trailers' },
      { signal },
    );
    let headers: IncomingHttpHeaders = {};
    // The status is in the trailers, or, without a response message, in the headers.
    const addHeaders = (more: IncomingHttpHeaders) => (headers = { ...headers, ...more });
    const chunks: Buffer[] = [];
    let bytes = 0;
    stream.on('response', addHeaders).on('trailers', addHeaders);
    stream.on('data', (chunk: Buffer) => {
      chunks.push(chunk);
      bytes += chunk.length;
      if (bytes > maxBytes)
        stream.destroy(new Error(`an answer of more than ${maxBytes} bytes to ${method}`));
    });
    stream.once('error', reject);
    stream.once('close', () => {
      try {
        resolve(responseMessage(headers, Buffer.concat(chunks)));
      } catch (error) {
        reject(error);
      }
    });
    stream.end(frame(message));
  });
}

function responseMessage(headers: IncomingHttpHeaders, body: Buffer): Buffer {
  const status = headers['grpc-status'];
  if (status === undefined) {
    const code = headers[':status'];
    throw new Error(
      code === undefined ? 'closed the connection without an answer' : `HTTP ${Number(code)}, no gRPC status`,
    );
  }
  if (status !== '0') {
    const details = percentDecoded(String(headers['grpc-message'] ?? ''));
    throw new GrpcError(Number(status), oneLine(details) || `gRPC status ${Number(status)}`, details);
  }
  if (body.length < 5 || body[0] !== 0) throw new Error('not a gRPC message');
  return body.subarray(5, 5 + body.readUInt32BE(1));
}

/** A length-prefixed message: one byte "not compressed", four bytes of length, the message. */
function frame(message: Buffer): Buffer {
  const head = Buffer.alloc(5);
  head.writeUInt32BE(message.length, 1);
  return Buffer.concat([head, message]);
}

function percentDecoded(message: string): string {
  try {
    return decodeURIComponent(message);
  } catch {
    // Invalid percent-encoding: quote it as it is.
    return message;
  }
}
