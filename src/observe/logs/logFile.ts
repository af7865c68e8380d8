import { createReadStream } from 'node:fs';
import { open, readdir, stat } from 'node:fs/promises';
import type { FileHandle } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';

/** A line longer than this, in characters, is cut in pieces. */
const longestLine = 1024 * 1024;
const newline = 10;

/** A line of a file. `end` is the offset behind it, in bytes; undefined while its newline is missing. */
interface FileLine {
  readonly text: string;
  readonly end: number | undefined;
}

/** A log and what was rotated away from it, oldest first: `x.log.2`, `x.log.1`, `x.log`. */
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

export async function sizeOf(path: string): Promise<number> {
  return (await stat(path).catch(() => ({ size: 0 }))).size;
}

/** The lines of a file between two offsets; memory does not grow with it. A file that is gone has none. */
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
  for await (const chunk of piecesOf(file, from, to)) {
    let start = 0;
    for (let at = chunk.indexOf(newline); at >= 0; at = chunk.indexOf(newline, start)) {
      parts.push(chunk.subarray(start, at));
      start = at + 1;
      yield { text: take().replace(/\r$/, ''), end: offset + start };
    }
    offset += chunk.length;
    parts.push(chunk.subarray(start));
    length += chunk.length - start;
    if (length >= longestLine) yield { text: take(), end: offset };
  }
  if (length > 0) yield { text: take(), end: undefined };
}

async function* piecesOf(file: string | FileHandle, from: number, to: number): AsyncGenerator<Buffer, void> {
  try {
    const range = { start: from, end: to - 1 };
    const stream: AsyncIterable<Buffer> =
      typeof file === 'string'
        ? createReadStream(file, range)
        : file.createReadStream({ ...range, autoClose: false });
    yield* stream;
  } catch (error) {
    // A file that was rotated away since it was listed.
    if (!(error instanceof Error && 'code' in error && error.code === 'ENOENT')) throw error;
  }
}

/** Where the last `count` lines begin, and how many of them there are: read from the end, a block at a time. */
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
