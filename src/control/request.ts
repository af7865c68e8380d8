import { request } from 'node:http';
import type { IncomingMessage } from 'node:http';
import { basename, dirname } from 'node:path';
import { nodeCommand } from '../lib/commandLine.ts';
import { exitCodes, Failure, reasonOf } from '../lib/errors.ts';
import type { FailureCode } from '../lib/errors.ts';
import type { ErrorBody } from './reply.ts';

/**
 * One request over a unix socket; resolves with the head of the answer.
 * @throws Failure `notReady` when nobody listens; what the server said when its status is neither 2xx nor `expected`.
 */
export async function send(
  socketPath: string,
  method: 'GET' | 'POST',
  path: string,
  signal?: AbortSignal,
  expected: readonly number[] = [],
): Promise<IncomingMessage> {
  const response = await new Promise<IncomingMessage>((resolve, reject) => {
    const outgoing = request({
      socketPath,
      agent: false,
      method,
      path,
      headers: { host: 'node' },
      ...(signal && { signal }),
    });
    outgoing.once('response', resolve);
    outgoing.once('error', (cause) =>
      reject(signal?.aborted === true ? signal.reason : unreachable(socketPath, cause)),
    );
    outgoing.end();
  });
  const status = response.statusCode ?? 0;
  if ((status >= 200 && status < 300) || expected.includes(status)) return response;
  throw told(status, await text(response));
}

/** The whole body. */
export async function text(response: IncomingMessage): Promise<string> {
  let body = '';
  for await (const chunk of pieces(response)) body += chunk;
  return body;
}

/** The body line by line as it comes, without empty ones; ends quietly when the signal aborts. */
export async function* lines(response: IncomingMessage, signal?: AbortSignal): AsyncGenerator<string, void> {
  let rest = '';
  try {
    for await (const chunk of pieces(response)) {
      const parts = (rest + chunk).split('\n');
      rest = parts.pop() ?? '';
      yield* parts.filter((line) => line !== '');
    }
  } catch (error) {
    if (signal?.aborted !== true) throw error;
  }
}

async function* pieces(response: IncomingMessage): AsyncGenerator<string, void> {
  response.setEncoding('utf8');
  try {
    for await (const chunk of response) yield String(chunk);
  } catch (cause) {
    throw new Failure('notReady', `the node broke off its answer: ${reasonOf(cause)}`, { cause });
  }
}

function unreachable(socketPath: string, cause: unknown): Failure {
  const code = cause instanceof Error && 'code' in cause ? cause.code : undefined;
  const name = basename(dirname(socketPath));
  if (code === 'ENOENT' || code === 'ECONNREFUSED') {
    return new Failure('notReady', `node "${name}" is not running`, {
      hint: `start it: ${nodeCommand('up', { name })}`,
      cause,
    });
  }
  if (code === 'EACCES') {
    return new Failure('preflight', `node "${name}" is not yours to talk to`, {
      hint: 'run this as root',
      cause,
    });
  }
  return new Failure('notReady', `node "${name}" does not answer: ${reasonOf(cause)}`, { cause });
}

/** The server's own error, thrown here. */
function told(status: number, body: string): Error {
  try {
    const { error }: ErrorBody = JSON.parse(body);
    if (!isFailureCode(error.code)) return new Error(error.message);
    return new Failure(error.code, error.message, error.hint === undefined ? {} : { hint: error.hint });
  } catch (cause) {
    return new Error(`the node answered ${status}: ${body.slice(0, 200)}`, { cause });
  }
}

function isFailureCode(code: string): code is FailureCode {
  return code in exitCodes && code !== 'bug' && code !== 'ok';
}
