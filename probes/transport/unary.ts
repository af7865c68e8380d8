import type { ClientHttp2Session, IncomingHttpHeaders } from 'node:http2';
import { oneLine } from './reason.ts';

/** The server answered a call with a status other than OK. The message is the reason, for people. */
export class GrpcError extends Error {
  override readonly name = 'GrpcError';
  readonly status: number;

  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}

/** The server does not know the service or the method. https://grpc.io/docs/guides/status-codes/ */
export const UNIMPLEMENTED = 12;

/** The health services asked here answer with some hundred bytes. */
const MAX_BYTES = 64 * 1024;

/**
 * One gRPC call with one message each way. Rejects with a {@link GrpcError}, or with what broke the connection.
 * https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md
 */
export function unary(
  session: ClientHttp2Session,
  method: string,
  message: Buffer,
  signal: AbortSignal,
): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const stream = session.request(
      { ':method': 'POST', ':path': method, 'content-type': 'application/grpc', te: 'trailers' },
      { signal },
    );
    let headers: IncomingHttpHeaders = {};
    // A refused call has its status in the headers, any other in the trailers.
    const note = (more: IncomingHttpHeaders) => (headers = { ...headers, ...more });
    const chunks: Buffer[] = [];
    let bytes = 0;
    stream.on('response', note).on('trailers', note);
    stream.on('data', (chunk: Buffer) => {
      chunks.push(chunk);
      bytes += chunk.length;
      if (bytes > MAX_BYTES)
        stream.destroy(new Error(`an answer of more than ${MAX_BYTES} bytes to ${method}`));
    });
    stream.once('error', reject);
    stream.once('close', () => {
      try {
        resolve(answerOf(headers, Buffer.concat(chunks)));
      } catch (error) {
        reject(error);
      }
    });
    stream.end(frame(message));
  });
}

function answerOf(headers: IncomingHttpHeaders, body: Buffer): Buffer {
  const status = headers['grpc-status'];
  if (status === undefined) {
    const code = headers[':status'];
    throw new Error(
      code === undefined ? 'closed the connection without an answer' : `HTTP ${Number(code)}, no gRPC status`,
    );
  }
  if (status !== '0') {
    const said = oneLine(unescaped(String(headers['grpc-message'] ?? '')));
    throw new GrpcError(Number(status), said || `gRPC status ${Number(status)}`);
  }
  if (body.length < 5 || body[0] !== 0) throw new Error('not a gRPC message');
  return body.subarray(5, 5 + body.readUInt32BE(1));
}

/** A message on the wire: one byte "not compressed", its length, itself. */
function frame(message: Buffer): Buffer {
  const head = Buffer.alloc(5);
  head.writeUInt32BE(message.length, 1);
  return Buffer.concat([head, message]);
}

function unescaped(message: string): string {
  try {
    return decodeURIComponent(message);
  } catch {
    // Not percent-encoded as it should be: better as it came than not at all.
    return message;
  }
}
