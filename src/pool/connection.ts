import { once } from 'node:events';
import { connect } from 'node:net';
import type { Socket } from 'node:net';
import { createInterface } from 'node:readline';
import { parseJson } from '../../probes/transport/json.ts';
import { hasErrorCode } from '../lib/systemError.ts';
import { poolSocket } from './protocol.ts';

/** A connection on which each line is a JSON value. */
export class JsonConnection implements Disposable {
  readonly #socket: Socket;
  readonly #lines: AsyncIterator<string>;

  constructor(socket: Socket) {
    const lines = createInterface({ input: socket });
    this.#lines = lines[Symbol.asyncIterator]();
    // By itself it would wait for more of a socket that this side has destroyed.
    this.#socket = socket.on('error', () => undefined).once('close', () => lines.close());
  }

  /** Undefined when the other side has closed it, or has said nothing within `timeoutMs`. */
  async receive(timeoutMs?: number): Promise<unknown> {
    const next = this.#lines.next().catch(() => ({ done: true as const, value: undefined }));
    const found = await (timeoutMs === undefined ? next : within(timeoutMs, next));
    return found === undefined || found.done === true ? undefined : parseJson(found.value);
  }

  send(value: unknown): void {
    this.#socket.write(`${JSON.stringify(value)}\n`);
  }

  /** After what was sent. */
  [Symbol.dispose](): void {
    this.#socket.end();
  }
}

/** Undefined if no keeper listens. */
export async function connectToPool(): Promise<JsonConnection | undefined> {
  const socket = connect(poolSocket);
  try {
    await once(socket, 'connect');
    return new JsonConnection(socket);
  } catch (error) {
    if (!hasErrorCode(error, 'ENOENT', 'ECONNREFUSED')) throw error;
    return undefined;
  }
}

/** What it resolves with; undefined when that takes more than `timeoutMs`. */
export async function within<T>(timeoutMs: number, pending: Promise<T>): Promise<T | undefined> {
  const timeout = once(AbortSignal.timeout(timeoutMs), 'abort').then(() => undefined);
  return Promise.race([pending, timeout]);
}
