import { ftruncateSync, readSync, writeSync } from 'node:fs';
import { open, rename, rm } from 'node:fs/promises';
import type { FileHandle } from 'node:fs/promises';

export interface RotateOptions {
  /** A file longer than this is rotated. A rotated one is at most twice as long: what was written before anybody looked. */
  readonly maxBytes: number;
  /** So many rotated files are kept: `.1` is the newest. */
  readonly keep: number;
}

const blockBytes = 256 * 1024;
/** So often a writer that goes on meanwhile is caught up with before the cut. */
const mostPasses = 8;
const newline = 10;

/**
 * Moves a log's content away when it is too long, while its writer goes on: the content is copied and the file emptied,
 * because the writer has the file open and would write on in a renamed one (as logrotate's copytruncate). The writer must
 * append (O_APPEND), or it would leave a hole. Of a file much too long only the last `maxBytes` are kept, from the beginning
 * of a line. What is written between the last read and the cut, microseconds, is lost. Memory does not grow with the file.
 * Resolves with whether it was rotated.
 */
export async function rotate(path: string, { maxBytes, keep }: RotateOptions): Promise<boolean> {
  const log = await open(path, 'r+').catch(absent);
  if (log === undefined) return false;
  try {
    const { size, mode } = await log.stat();
    if (size <= maxBytes) return false;
    if (keep === 0) await log.truncate(0);
    else await setAside(log, path, { maxBytes, keep, mode: mode & 0o777 });
    return true;
  } finally {
    await log.close();
  }
}

async function setAside(
  log: FileHandle,
  path: string,
  { maxBytes, keep, mode }: RotateOptions & { mode: number },
): Promise<void> {
  const unfinished = `${path}.rotating`;
  const block = Buffer.alloc(blockBytes);
  const copy = await open(unfinished, 'w', mode);
  try {
    let [start, from] = [0, 0];
    for (let pass = 0; pass < mostPasses; pass += 1) {
      const { size } = await log.stat();
      if (pass > 0 && size - from < blockBytes) break;
      if (size - start > 2 * maxBytes) {
        start = await lineStart(log, size - maxBytes, size, block);
        from = start;
        await copy.truncate(0);
      }
      while (from < size) {
        const { bytesRead } = await log.read(block, 0, Math.min(block.length, size - from), from);
        if (bytesRead === 0) break;
        await copy.write(block, 0, bytesRead, from - start);
        from += bytesRead;
      }
    }
    await shift(path, keep);
    takeTheRest(log, copy, { start, from, most: maxBytes }, block);
  } catch (error) {
    await rm(unfinished, { force: true });
    throw error;
  } finally {
    await copy.close();
  }
  await rename(unfinished, `${path}.1`);
}

/** What came meanwhile, and the cut, without giving anybody else a turn in between. */
function takeTheRest(
  log: FileHandle,
  copy: FileHandle,
  { start, from, most }: { start: number; from: number; most: number },
  block: Buffer,
): void {
  let at = from;
  while (at < from + most) {
    const read = readSync(log.fd, block, 0, block.length, at);
    if (read === 0) break;
    writeSync(copy.fd, block, 0, read, at - start);
    at += read;
  }
  ftruncateSync(log.fd, 0);
}

async function shift(path: string, keep: number): Promise<void> {
  await rm(`${path}.${keep}`, { force: true });
  for (let number = keep - 1; number >= 1; number -= 1) {
    await rename(`${path}.${number}`, `${path}.${number + 1}`).catch(absent);
  }
}

/** Where the first line behind the offset begins; the offset itself when none does before the end. */
async function lineStart(log: FileHandle, offset: number, end: number, block: Buffer): Promise<number> {
  if (offset === 0) return 0;
  const { bytesRead } = await log.read(block, 0, block.length, offset - 1);
  const at = block.subarray(0, bytesRead).indexOf(newline);
  return at < 0 || offset + at >= end ? offset : offset + at;
}

/** Nothing is there: that is no error. */
function absent(error: unknown): undefined {
  if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
  throw error;
}
