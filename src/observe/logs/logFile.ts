import { createReadStream, existsSync } from 'node:fs';
import { open, readdir, stat } from 'node:fs/promises';
import type { FileHandle } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { hasErrorCode } from '../../lib/systemError.ts';

/** In characters. Longer lines are split. */
const maxLineLength = 1024 * 1024;
/** Read at once, in bytes. Larger than a line may be. */
const blockBytes = 4 * 1024 * 1024;
const newline = 10;

/** A line of a file. `end`: the offset after its newline, in bytes; undefined while the newline is missing. */
interface FileLine {
  readonly text: string;
  readonly end: number | undefined;
}

/** The first line of a rotated file whose log had grown so long that its first `bytes` bytes are not kept. */
export function cutNotice(bytes: number): string {
  return `[k8s-single: ${bytes} bytes of the log are not kept here: it was written faster than it is rotated]\n`;
}

/** How many bytes of the log this rotated file begins after, and where in the file it goes on: 0 and 0 unless it is cut. */
async function cutOf(file: FileHandle): Promise<{ bytes: number; noticeEnd: number }> {
  const { buffer, bytesRead } = await file.read(Buffer.alloc(cutNotice(Number.MAX_SAFE_INTEGER).length), 0);
  const start = buffer.subarray(0, bytesRead).toString('latin1');
  const bytes = Number(/: (\d+) /.exec(start)?.[1]);
  const notice = cutNotice(bytes);
  return start.startsWith(notice) ? { bytes, noticeEnd: notice.length } : { bytes: 0, noticeEnd: 0 };
}

/** A log and its rotated files, oldest first: `x.log.2`, `x.log.1`, `x.log`. */
export async function logFiles(path: string): Promise<string[]> {
  const name = basename(path);
  const entries: string[] = await readdir(dirname(path)).catch(() => []);
  const numbers = entries
    .filter((entry) => entry.startsWith(`${name}.`))
    .map((entry) => Number(entry.slice(name.length + 1)))
    .filter((number) => Number.isInteger(number) && number > 0);
  const rotated = numbers.toSorted((a, b) => b - a).map((number) => join(dirname(path), `${name}.${number}`));
  return entries.includes(name) ? [...rotated, path] : rotated;
}

/** In bytes; 0 if the file does not exist. */
export async function sizeOf(path: string): Promise<number> {
  return (await stat(path).catch(() => ({ size: 0 }))).size;
}

/** The lines of a file between two offsets, in constant memory. A file that does not exist has none. */
export async function* readLines(
  file: string | FileHandle,
  from: number,
  to: number,
): AsyncGenerator<FileLine, void> {
  if (to <= from) return;
  let parts: Buffer[] = [];
  let length = 0;
  let offset = from;
  const take = (): string => {
    const text = Buffer.concat(parts).toString('utf8');
    parts = [];
    length = 0;
    return text;
  };
  for await (const chunk of readChunks(file, from, to)) {
    let start = 0;
    for (let at = chunk.indexOf(newline); at >= 0; at = chunk.indexOf(newline, start)) {
      parts.push(chunk.subarray(start, at));
      start = at + 1;
      yield { text: take().replace(/\r$/, ''), end: offset + start };
    }
    offset += chunk.length;
    parts.push(chunk.subarray(start));
    length += chunk.length - start;
    if (length >= maxLineLength) yield { text: take(), end: offset };
  }
  if (length > 0) yield { text: take(), end: undefined };
}

async function* readChunks(
  file: string | FileHandle,
  from: number,
  to: number,
): AsyncGenerator<Buffer, void> {
  try {
    const range = { start: from, end: to - 1 };
    const stream: AsyncIterable<Buffer> =
      typeof file === 'string'
        ? createReadStream(file, range)
        : file.createReadStream({ ...range, autoClose: false });
    yield* stream;
  } catch (error) {
    // The file was rotated since it was listed.
    if (!hasErrorCode(error, 'ENOENT')) throw error;
  }
}

/** Where the last `count` lines begin, and how many there are. Reads blocks from the end. */
export async function tailOffset(path: string, count: number): Promise<{ offset: number; found: number }> {
  const file = await open(path, 'r');
  try {
    const { size } = await file.stat();
    const block = Buffer.alloc(64 * 1024);
    let found = 0;
    for (let end = size; end > 0;) {
      const start = Math.max(0, end - block.length);
      const { bytesRead } = await file.read(block, 0, end - start, start);
      for (let at = bytesRead - 1; at >= 0; at -= 1) {
        if (block[at] !== newline || start + at === size - 1) continue;
        found += 1;
        if (found === count) return { offset: start + at + 1, found };
      }
      end = start;
    }
    return { offset: 0, found: size > 0 ? found + 1 : 0 };
  } finally {
    await file.close();
  }
}

/** How far a log has been read. */
export interface LogPosition {
  /** In bytes, in the current file. */
  readonly offset: number;
  /** Identity of the newest rotated file at that time. */
  readonly rotated: string | undefined;
  /** The beginning of a line whose rest has not been read yet. */
  readonly partial: string;
}

/** The end of a log: from this position, only later lines are new. */
export async function endOf(path: string): Promise<LogPosition> {
  return { offset: await sizeOf(path), rotated: await identityOf(`${path}.1`), partial: '' };
}

/**
 * The lines after a position, also those in files rotated since. Rotation copies the log to `.rotating`, empties it, and
 * renames the copy to `.1` (see rotation.ts). During a rotation nothing is new; the next call has it. An unfinished line is
 * left for later unless `isLast`. Of a log that was cut when it was rotated, a line says what is missing.
 */
export async function* newLines(
  path: string,
  from: LogPosition,
  isLast: boolean,
): AsyncGenerator<{ readonly texts: readonly string[]; readonly position: LogPosition }, void> {
  let position = from;
  for (;;) {
    if (existsSync(`${path}.rotating`)) return;
    const rotated = await nextRotated(path, position);
    const file = await open(rotated?.path ?? path, 'r').catch(() => undefined);
    if (file === undefined) return;
    try {
      const { size } = await file.stat();
      if (rotated === undefined) {
        // A smaller size means that the log was emptied and no rotated file was kept.
        const start = size < position.offset ? 0 : position.offset;
        const block = await readBlock(file, { ...position, offset: start }, size);
        // The block follows the position only if the log was not rotated meanwhile.
        if (existsSync(`${path}.rotating`) || (await identityOf(`${path}.1`)) !== position.rotated) continue;
        position = { offset: block.offset, rotated: position.rotated, partial: block.partial };
        const last = isLast && block.isAtEnd && block.unfinished !== '' ? [block.unfinished] : [];
        if (block.texts.length + last.length > 0) yield { texts: [...block.texts, ...last], position };
        if (block.isAtEnd) return;
      } else {
        // The name may belong to another file by now.
        if (identity(await file.stat({ bigint: true })) !== rotated.id) continue;
        const { bytes, noticeEnd } = await cutOf(file);
        // What follows the position is not kept, if it is cut away: its notice is next then.
        const isCutAway = rotated.start < bytes;
        const offset = isCutAway ? 0 : rotated.start - bytes + noticeEnd;
        const partial = isCutAway ? '' : position.partial;
        const block = await readBlock(file, { ...position, offset, partial }, size);
        position = block.isAtEnd
          ? { offset: 0, rotated: rotated.id, partial: block.unfinished }
          : {
              // As an offset in the log that was cut.
              offset: block.offset - noticeEnd + bytes,
              rotated: rotated.isKnownGone ? undefined : position.rotated,
              partial: block.partial,
            };
        yield { texts: block.texts, position };
      }
    } finally {
      await file.close();
    }
  }
}

interface Block {
  readonly texts: readonly string[];
  /** After the last complete line. */
  readonly offset: number;
  /** The position's partial line, if no complete line has consumed it. */
  readonly partial: string;
  /** The partial line and what follows the last complete line. */
  readonly unfinished: string;
  readonly isAtEnd: boolean;
}

/** The complete lines after a position, at most one block of them. */
async function readBlock(file: FileHandle, from: LogPosition, size: number): Promise<Block> {
  const to = Math.min(size, from.offset + blockBytes);
  const texts: string[] = [];
  let { offset, partial } = from;
  let unfinished = partial;
  for await (const { text, end } of readLines(file, from.offset, to)) {
    unfinished = partial + text;
    if (end === undefined) continue;
    texts.push(unfinished);
    offset = end;
    partial = '';
    unfinished = '';
  }
  return { texts, offset, partial, unfinished, isAtEnd: to >= size };
}

interface RotatedFile {
  readonly path: string;
  readonly id: string;
  /** The offset in it from which to continue. */
  readonly start: number;
  /** Whether the file that was the newest at the position has been deleted. */
  readonly isKnownGone: boolean;
}

/** The oldest file rotated since the position. */
async function nextRotated(path: string, { offset, rotated }: LogPosition): Promise<RotatedFile | undefined> {
  let next: RotatedFile | undefined;
  for (let number = 1; ; number += 1) {
    const id = await identityOf(`${path}.${number}`);
    if (id !== undefined && id !== rotated) {
      next = { path: `${path}.${number}`, id, start: offset, isKnownGone: false };
      continue;
    }
    // Perhaps with some that followed it: all files present are new.
    if (next !== undefined && id === undefined && rotated !== undefined)
      return { ...next, start: 0, isKnownGone: true };
    return next;
  }
}

/** Identifies a rotated file under any name. Its content no longer changes. */
async function identityOf(path: string): Promise<string | undefined> {
  const found = await stat(path, { bigint: true }).catch(() => undefined);
  return found && identity(found);
}

function identity({ ino, mtimeNs }: { readonly ino: bigint; readonly mtimeNs: bigint }): string {
  return `${ino} ${mtimeNs}`;
}
