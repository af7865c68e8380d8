import { createHash } from 'node:crypto';
import type { Hash } from 'node:crypto';
import { once } from 'node:events';
import { open } from 'node:fs/promises';
import type { FileHandle } from 'node:fs/promises';
import type { IncomingMessage } from 'node:http';
import type { Request } from 'got';
import { Failure } from '../../lib/errors.ts';
import { diskFailure } from '../diskFailure.ts';
import type { Checksum } from './checksums.ts';
import { isTransient, requestReason, retried, withoutPassword } from './client.ts';
import type { PublisherClient } from './client.ts';

/** No file of the publishers is as large. In bytes. */
const maxBytes = 4 * 2 ** 30;

export interface DownloadOptions {
  readonly client: PublisherClient;
  readonly url: string;
  /** Created, or replaced. */
  readonly file: string;
  readonly algorithm: Checksum['algorithm'];
  readonly signal: AbortSignal;
  /** Called for each chunk with the bytes that are on disk, and those there will be if the server says so. */
  readonly onBytes: (received: number, total: number | undefined) => void;
  /** Called before each new attempt with the reason why the last one ended. */
  readonly onRetry: (reason: string) => void;
}

/**
 * Downloads a file and resolves with its digest, in hexadecimal digits, computed on the way. After a break it goes on where it
 * was (RFC 9110, 14.2), from the first URL, since a redirect's target may have expired. It is on disk (fsync) when this resolves.
 * @throws Failure `install` when the server does not have it or breaks too often; the signal's reason when it aborts
 */
export async function download(options: DownloadOptions): Promise<string> {
  await using handle = await open(options.file, 'w');
  const transfer = new Transfer(options, handle);
  await transfer.complete();
  await handle.sync();
  return transfer.digest();
}

/** A file in transfer, over as many connections as it takes. */
class Transfer {
  readonly #options: DownloadOptions;
  readonly #handle: FileHandle;
  #hash: Hash;
  #received = 0;
  #total: number | undefined;

  constructor(options: DownloadOptions, handle: FileHandle) {
    this.#options = options;
    this.#handle = handle;
    this.#hash = createHash(options.algorithm);
  }

  digest(): string {
    return this.#hash.digest('hex');
  }

  /** Attempts are counted anew after each one that brought the file further. */
  async complete(): Promise<void> {
    const { client } = this.#options;
    while (!(await retried(client, this.#options, async () => this.#attempt())));
  }

  /** One connection. Resolves with whether the file is complete: false when it broke after it brought the file further. */
  async #attempt(): Promise<boolean> {
    const { client, url, signal, onRetry } = this.#options;
    const before = this.#received;
    try {
      await this.#receive();
      return true;
    } catch (error) {
      signal.throwIfAborted();
      // A hundredth of the file is progress, too: whoever sends that much each time comes to an end.
      const enough = Math.min(client.limits.minBytes, (this.#total ?? Infinity) / 100);
      if (!isTransient(error) || this.#received - before < enough) throw error;
      onRetry(requestReason(error, url));
      return false;
    }
  }

  async #receive(): Promise<void> {
    const { client, url, signal } = this.#options;
    const range = this.#received === 0 ? {} : { range: `bytes=${this.#received}-` };
    const stream = client.stream(url, range, signal);
    const chunks = chunksOf(stream);
    try {
      const [response]: IncomingMessage[] = await once(stream, 'response', { signal });
      await this.#start(response!);
      await this.#consume(chunks);
    } finally {
      stream.destroy();
    }
  }

  /** Checks that the answer goes on where the file ends, or starts again. */
  async #start({ statusCode, headers }: IncomingMessage): Promise<void> {
    const [, first, total] = /^bytes (\d+)-\d+\/(\d+|\*)$/.exec(headers['content-range'] ?? '') ?? [];
    const isPart = statusCode === 206 && Number(first) === this.#received;
    const length = headers['content-length'] === undefined ? undefined : Number(headers['content-length']);
    const said = isPart
      ? total === '*'
        ? undefined
        : Number(total)
      : statusCode === 206
        ? undefined
        : length;
    const isOther = said !== undefined && this.#total !== undefined && said !== this.#total;
    if (isPart && !isOther) {
      this.#total ??= said;
      return;
    }
    await this.#restart();
    if (statusCode === 206) throw new Error('it sent another part than the one requested');
    this.#total = said;
    if (said !== undefined && said > maxBytes) throw tooLarge(this.#options.url);
  }

  async #restart(): Promise<void> {
    this.#total = undefined;
    if (this.#received === 0) return;
    await this.#handle.truncate(0);
    this.#hash = createHash(this.#options.algorithm);
    this.#received = 0;
  }

  async #consume(chunks: AsyncIterable<Buffer[]>): Promise<void> {
    const { onBytes, client, url } = this.#options;
    const { stallMs, minBytes } = client.limits;
    let window = { since: performance.now(), from: this.#received };
    for await (const some of chunks) {
      const bytes = some.reduce((sum, { length }) => sum + length, 0);
      if (this.#received + bytes > maxBytes) throw tooLarge(url);
      // The thread pool writes while this thread hashes.
      const written = this.#write(some, bytes);
      for (const chunk of some) this.#hash.update(chunk);
      await written;
      this.#received += bytes;
      onBytes(this.#received, this.#total);
      const now = performance.now();
      if (now - window.since < stallMs) continue;
      const recent = this.#received - window.from;
      if (recent < minBytes) throw new Error(`it sent only ${recent} bytes in ${stallMs / 1000} s`);
      window = { since: now, from: this.#received };
    }
    if (this.#total !== undefined && this.#received !== this.#total) {
      const received = this.#received;
      // What came is not what the server said: do not go on from there.
      if (received > this.#total) await this.#restart();
      throw new Error(`it closed the connection after ${received} of ${this.#total ?? '?'} bytes`);
    }
  }

  async #write(chunks: Buffer[], bytes: number): Promise<void> {
    try {
      const { bytesWritten } = await this.#handle.writev(chunks, this.#received);
      if (bytesWritten === bytes) return;
      // Less than all is rare: a disk that is about to be full, most often.
      const rest = Buffer.concat(chunks).subarray(bytesWritten);
      for (let at = 0; at < rest.length;) {
        const position = this.#received + bytesWritten + at;
        at += (await this.#handle.write(rest, at, rest.length - at, position)).bytesWritten;
      }
    } catch (error) {
      throw diskFailure(error, this.#options.file, this.#total) ?? error;
    }
  }
}

/** Chunks that wait for the disk before the server is slowed down: up to 64 KiB each. */
const maxWaiting = 32;

/**
 * The chunks of a stream, as many at a time as there are. Unlike with the iterator of a stream, those that came before a break are
 * not lost with it. Listens from now on.
 */
function chunksOf(stream: Request): AsyncIterable<Buffer[]> {
  let waiting: Buffer[] = [];
  let end: { readonly error?: unknown } | undefined;
  let wake: (() => void) | undefined;
  stream.on('data', (chunk: Buffer) => {
    waiting.push(chunk);
    if (waiting.length >= maxWaiting) stream.pause();
    wake?.();
  });
  const finish = (result: { readonly error?: unknown }): void => {
    end ??= result;
    wake?.();
  };
  stream.once('end', () => finish({}));
  stream.on('error', (error: unknown) => finish({ error }));
  stream.once('close', () => finish({ error: new Error('it closed the connection') }));
  return {
    async *[Symbol.asyncIterator]() {
      for (;;) {
        if (waiting.length > 0) {
          const taken = waiting;
          waiting = [];
          stream.resume();
          yield taken;
        } else if (end !== undefined) {
          if ('error' in end) throw end.error;
          return;
        } else {
          // oxlint-disable-next-line no-loop-func -- there is one loop
          await new Promise<void>((resolve) => (wake = resolve));
        }
      }
    },
  };
}

function tooLarge(url: string): Failure {
  return new Failure(
    'install',
    `${withoutPassword(url)} has more than ${maxBytes / 2 ** 30} GiB: it is no release`,
  );
}
