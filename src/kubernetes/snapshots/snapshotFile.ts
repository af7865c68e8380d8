import { createReadStream, createWriteStream } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { dirname } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { ReadableStream } from 'node:stream/web';
import { StringDecoder } from 'node:string_decoder';
import { createGunzip, createGzip } from 'node:zlib';
import { replaceAtomically, syncToDisk } from '../../lib/atomicFile.ts';
import { Failure, reasonOf } from '../../lib/errors.ts';
import { hasErrorCode, isSystemError } from '../../lib/systemError.ts';
import { parseSnapshot } from './format.ts';
import type { SnapshotHeader } from './format.ts';
import { diskFailure } from './store.ts';

/** How a file begins that `age -d` decrypts: https://age-encryption.org/v1 */
const encryptedMagic = 'age-encryption.org/v1';

/**
 * Writes a snapshot, which is there only when it is whole and on the disk.
 * @throws what `lines` throws; Failure `preflight` with the disk's reason; the signal's reason when it aborts
 */
export async function writeSnapshot(
  file: string,
  lines: AsyncIterable<string>,
  passphrase: string | undefined,
  signal: AbortSignal,
): Promise<void> {
  const write = async (): Promise<void> => {
    await mkdir(dirname(file), { recursive: true, mode: 0o700 });
    await replaceAtomically(file, async (temporary) => {
      const bytes = await packed(lines, passphrase);
      await pipeline(bytes, createWriteStream(temporary, { flags: 'wx', mode: 0o600 }), { signal });
      await syncToDisk(temporary);
    });
    await syncToDisk(dirname(file));
  };
  await write().catch((cause: unknown) => {
    signal.throwIfAborted();
    throw isSystemError(cause) ? diskFailure(`cannot write the snapshot ${file}`, cause) : cause;
  });
}

/** The bytes of a snapshot: compressed, and encrypted if there is a passphrase. */
export async function packed(
  lines: AsyncIterable<string>,
  passphrase: string | undefined,
): Promise<AsyncIterable<Uint8Array>> {
  const compressed = zipped(whole(lines));
  if (passphrase === undefined) return compressed;
  const { Encrypter } = await import('age-encryption');
  const encrypter = new Encrypter();
  encrypter.setPassphrase(passphrase);
  return encrypter.encrypt(ReadableStream.from(compressed));
}

async function* zipped(lines: AsyncIterable<string>): AsyncGenerator<Uint8Array, void> {
  const gzip = createGzip();
  const done = pipeline(lines, gzip);
  // Reading it fails as well, and with the same reason.
  done.catch(() => undefined);
  for await (const chunk of gzip as AsyncIterable<Buffer>) yield chunk;
  await done;
}

/** @throws Error if the lines end before the last line of a snapshot */
async function* whole(lines: AsyncIterable<string>): AsyncGenerator<string, void> {
  let last = '';
  for await (const line of lines) {
    last = line;
    yield line;
  }
  if (!last.startsWith('{"end":')) throw new Failure('notReady', 'the node went down meanwhile');
}

interface SnapshotInput {
  readonly file: string;
  /** For a snapshot that is encrypted. */
  readonly passphrase: string | undefined;
}

/**
 * Opens a snapshot: see {@link parseSnapshot}. Reading its entries to the end closes the file.
 * @throws Failure `usage` if it cannot be read, is none, or is damaged, or the passphrase is missing or wrong
 */
export async function openSnapshot({ file, passphrase }: SnapshotInput) {
  return parseSnapshot(linesOf(unpacked(file, passphrase), file), file);
}

/** @throws Failure `usage` unless the whole snapshot can be restored */
export async function checkSnapshot(input: SnapshotInput): Promise<SnapshotHeader> {
  const { header, entries } = await openSnapshot(input);
  for await (const _ of entries);
  return header;
}

async function* unpacked(file: string, passphrase: string | undefined): AsyncGenerator<Uint8Array, void> {
  const input = createReadStream(file) as AsyncIterable<Buffer> & Readable;
  try {
    const compressed = await decrypted(input, { file, passphrase });
    // The error of one stream of a pipeline is that of the last one, too.
    const gunzip = createGunzip();
    const done = pipeline(compressed, gunzip);
    done.catch(() => undefined);
    for await (const chunk of gunzip as AsyncIterable<Buffer>) yield chunk;
    await done;
  } catch (cause) {
    if (cause instanceof Failure) throw cause;
    const why = isSystemError(cause) && !hasErrorCode(cause, 'Z_DATA_ERROR', 'Z_BUF_ERROR');
    throw new Failure(
      'usage',
      why ? `cannot read ${file}: ${reasonOf(cause)}` : `${file} is damaged: ${reasonOf(cause)}`,
      {
        cause,
      },
    );
  } finally {
    input.destroy();
  }
}

async function decrypted(
  input: AsyncIterable<Buffer>,
  { file, passphrase }: SnapshotInput,
): Promise<AsyncIterable<Uint8Array>> {
  const chunks = input[Symbol.asyncIterator]();
  const first = await chunks.next();
  const start: Buffer = first.done === true ? Buffer.alloc(0) : first.value;
  const all = async function* (): AsyncGenerator<Uint8Array, void> {
    yield start;
    yield* { [Symbol.asyncIterator]: () => chunks };
  };
  if (start[0] === 0x1f && start[1] === 0x8b) return all();
  if (!start.subarray(0, encryptedMagic.length).equals(Buffer.from(encryptedMagic)))
    throw new Failure('usage', `${file} is no snapshot`);
  if (passphrase === undefined) {
    throw new Failure('usage', `${file} is encrypted`, {
      hint: 'give a file with its passphrase: --passphrase-file',
    });
  }
  const { Decrypter } = await import('age-encryption');
  const decrypter = new Decrypter();
  decrypter.addPassphrase(passphrase);
  return decrypter.decrypt(ReadableStream.from(all())).catch((cause: unknown) => {
    throw new Failure('usage', `${file} cannot be decrypted: ${reasonOf(cause)}`, {
      hint: 'give the passphrase with which it was taken: --passphrase-file',
      cause,
    });
  });
}

/** Longer lines are no objects of Kubernetes. In characters. */
const maxLineLength = 64 * 2 ** 20;

async function* linesOf(chunks: AsyncIterable<Uint8Array>, file: string): AsyncGenerator<string, void> {
  const decoder = new StringDecoder();
  let rest: string[] = [];
  let length = 0;
  for await (const chunk of chunks) {
    const [first = '', ...others] = decoder.write(chunk).split('\n');
    rest.push(first);
    length += first.length;
    if (length > maxLineLength)
      throw new Failure('usage', `${file} is no snapshot: it has a line without end`);
    if (others.length === 0) continue;
    yield rest.join('');
    const last = others.pop() ?? '';
    yield* others;
    rest = [last];
    length = last.length;
  }
  if (length > 0) yield rest.join('');
}
