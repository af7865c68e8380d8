import { existsSync } from 'node:fs';
import { open, stat } from 'node:fs/promises';
import type { FileHandle } from 'node:fs/promises';
import { readLines } from './logFile.ts';

/** How far a log has been read. */
export interface LogPosition {
  /** In bytes, into the current file. */
  readonly offset: number;
  /** What was rotated away last by then. */
  readonly rotated: string | undefined;
  /** The beginning of a line of which the rest is still to come. */
  readonly begun: string;
}

interface News {
  readonly texts: readonly string[];
  readonly position: LogPosition;
}

/** So much is read at once, in bytes; more than the longest line, which is cut. */
const blockBytes = 4 * 1024 * 1024;

/** The end of a log: the position from which on only what is written later is new. */
export async function endOf(path: string): Promise<LogPosition> {
  const { size } = await stat(path).catch(() => ({ size: 0 }));
  return { offset: size, rotated: await identity(`${path}.1`), begun: '' };
}

/**
 * What has been written behind a position, also to files that were rotated away since (see rotate.ts: the log is copied to
 * `.rotating`, emptied, and the copy becomes `.1`). While that goes on there is nothing new: the next look has it. A line that
 * is not finished is left for later unless `isLast`. Of a log that was cut while it was rotated the cut part is missing.
 */
export async function* newLines(
  path: string,
  from: LogPosition,
  isLast: boolean,
): AsyncGenerator<News, void> {
  let position = from;
  for (;;) {
    if (existsSync(`${path}.rotating`)) return;
    const rotated = await nextRotated(path, position);
    const file = await open(rotated?.path ?? path, 'r').catch(() => undefined);
    if (file === undefined) return;
    try {
      const { size } = await file.stat();
      if (rotated === undefined) {
        // It was emptied by somebody who keeps nothing.
        const start = size < position.offset ? 0 : position.offset;
        const block = await readBlock(file, { ...position, offset: start }, size);
        // What was read is behind the position only if it has not been rotated away meanwhile.
        if (existsSync(`${path}.rotating`) || (await identity(`${path}.1`)) !== position.rotated) continue;
        position = { offset: block.offset, rotated: position.rotated, begun: block.begun };
        const last = isLast && block.isAtEnd && block.unfinished !== '' ? [block.unfinished] : [];
        if (block.texts.length + last.length > 0) yield { texts: [...block.texts, ...last], position };
        if (block.isAtEnd) return;
      } else {
        // It was renamed while we looked.
        if ((await identityOf(file)) !== rotated.id) continue;
        const block = await readBlock(file, { ...position, offset: rotated.start }, size);
        position = block.isAtEnd
          ? { offset: 0, rotated: rotated.id, begun: block.unfinished }
          : {
              offset: block.offset,
              rotated: rotated.start === 0 ? undefined : position.rotated,
              begun: block.begun,
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
  /** Behind the last complete line. */
  readonly offset: number;
  /** Of what was begun before the position, what no complete line has taken up. */
  readonly begun: string;
  /** That, and what follows the last complete line. */
  readonly unfinished: string;
  readonly isAtEnd: boolean;
}

/** The complete lines behind a position, as many as are read at once. */
async function readBlock(file: FileHandle, from: LogPosition, size: number): Promise<Block> {
  const to = Math.min(size, from.offset + blockBytes);
  const texts: string[] = [];
  let { offset, begun } = from;
  let unfinished = begun;
  for await (const { text, end } of readLines(file, from.offset, to)) {
    unfinished = begun + text;
    if (end === undefined) continue;
    texts.push(unfinished);
    offset = end;
    begun = '';
    unfinished = '';
  }
  return { texts, offset, begun, unfinished, isAtEnd: to >= size };
}

/** The oldest of the files that were rotated away behind the position, and where in it to go on. */
async function nextRotated(
  path: string,
  { offset, rotated }: LogPosition,
): Promise<{ path: string; id: string; start: number } | undefined> {
  let next: { path: string; id: string; start: number } | undefined;
  for (let number = 1; ; number += 1) {
    const id = await identity(`${path}.${number}`);
    if (id !== undefined && id !== rotated) {
      next = { path: `${path}.${number}`, id, start: offset };
      continue;
    }
    // The one that we know is no longer kept, nor is perhaps what followed it: all that is there is new.
    if (next !== undefined && id === undefined && rotated !== undefined) return { ...next, start: 0 };
    return next;
  }
}

/** Of a file, whatever it is renamed to: nobody writes to it any more. */
async function identity(path: string): Promise<string | undefined> {
  const found = await stat(path, { bigint: true }).catch(() => undefined);
  return found === undefined ? undefined : `${found.ino} ${found.mtimeNs}`;
}

async function identityOf(file: FileHandle): Promise<string> {
  const { ino, mtimeNs } = await file.stat({ bigint: true });
  return `${ino} ${mtimeNs}`;
}
