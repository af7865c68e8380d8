import { ftruncateSync, readdirSync, readSync, statSync, writeSync } from 'node:fs';
import { open, readdir, rename, rm, stat } from 'node:fs/promises';
import type { FileHandle } from 'node:fs/promises';
import { join } from 'node:path';
import { tick } from '../terminal/ticker.ts';
import { hasErrorCode } from '../../lib/systemError.ts';
import { cutNotice } from './logFile.ts';

interface RotateOptions {
  /** Longer files are rotated. Between two checks a log may grow further: a rotated file has at most twice this size. */
  readonly maxBytes: number;
  /** The number of rotated files kept: `.1` is the newest. */
  readonly keep: number;
}

export interface RotationOptions extends RotateOptions {
  /** Called once per reason when a log cannot be rotated. Logs then grow; nothing else is affected. */
  readonly onError: (error: unknown) => void;
}

/** How often the sizes are checked, in ms. Between checks a log may exceed its limit. */
const checkEveryMs = 2000;
const blockBytes = 256 * 1024;
/** How often the copy catches up with the writer before the log is emptied. */
const maxPasses = 8;
const newline = 10;
/** The end of the name of a copy that is being made. */
const copyEnding = '.log.rotating';

/** Keeps every `*.log` in the folder within its limit until disposed of. */
export function keepRotated(folder: string, { onError, ...options }: RotationOptions): AsyncDisposable {
  const reported = new Set<string>();
  let running = settleUnfinished(folder).catch(onError);
  let busy = false;
  const rotateAll = async (): Promise<void> => {
    // Synchronous: this is usually all the work, and a thread for it would cost ten times as much.
    const names = readdirSync(folder);
    if (names.some((each) => each.endsWith(copyEnding))) await settleUnfinished(folder);
    const files = names.filter((each) => each.endsWith('.log'));
    const paths = files.map((file) => join(folder, file));
    for (const path of paths.filter((each) => sizeOf(each) > options.maxBytes)) await rotate(path, options);
  };
  const ticker = tick(
    () => {
      if (busy) return;
      busy = true;
      running = rotateAll()
        .catch((error: unknown) => {
          if (!reported.has(String(error))) onError(error);
          reported.add(String(error));
        })
        .finally(() => {
          busy = false;
        });
    },
    { periodMs: checkEveryMs },
  );
  return {
    async [Symbol.asyncDispose]() {
      ticker[Symbol.dispose]();
      await running;
    },
  };
}

function sizeOf(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.size ?? 0;
}

/**
 * Ends an interrupted rotation: readers that follow the log would wait for that. When the log was emptied already, its copy is all that
 * there is of it; otherwise the log still has everything.
 */
async function settleUnfinished(folder: string): Promise<void> {
  for (const file of (await readdir(folder)).filter((name) => name.endsWith(copyEnding))) {
    const copy = join(folder, file);
    const log = copy.slice(0, -'.rotating'.length);
    const isEmptied = sizeOf(log) < (await stat(copy)).size;
    await (isEmptied ? rename(copy, `${log}.1`) : rm(copy, { force: true }));
  }
}

/**
 * Rotates a log longer than `maxBytes` while its writer continues. The content is copied and the file emptied, as with
 * logrotate's copytruncate, because the writer has the file open and would continue in a renamed one. The writer must append
 * (O_APPEND) or it would leave a hole. Of a much longer file only the last `maxBytes` are kept, from the beginning of a line, and a
 * first line says so. Output written in the microseconds between the last read and the truncation is lost. Memory is constant. Resolves with
 * whether the log was rotated.
 * @throws Error when the disk is full: the log is emptied without a copy then
 * @internal exported for tests
 */
export async function rotate(path: string, { maxBytes, keep }: RotateOptions): Promise<boolean> {
  const log = await open(path, 'r+').catch(ignoreAbsent);
  if (log === undefined) return false;
  try {
    const { size, mode } = await log.stat();
    if (size <= maxBytes) return false;
    if (keep === 0) await log.truncate(0);
    else await copyAndTruncate(log, path, { maxBytes, keep, mode: mode & 0o777 });
    return true;
  } finally {
    await log.close();
  }
}

async function copyAndTruncate(
  log: FileHandle,
  path: string,
  { maxBytes, keep, mode }: RotateOptions & { mode: number },
): Promise<void> {
  const unfinished = `${path}.rotating`;
  const block = Buffer.alloc(blockBytes);
  const copy = await open(unfinished, 'w', mode);
  try {
    // Where the copy begins in the log, and what is copied next: from where in the log, to where in the copy.
    let [start, from, to] = [0, 0, 0];
    for (let pass = 0; pass < maxPasses; pass += 1) {
      const { size } = await log.stat();
      if (pass > 0 && size - from < blockBytes) break;
      if (size - start > 2 * maxBytes) {
        start = await nextLineStart(log, size - maxBytes, size, block);
        from = start;
        await copy.truncate(0);
        to = (await copy.write(cutNotice(start), 0)).bytesWritten;
      }
      while (from < size) {
        const { bytesRead } = await log.read(block, 0, Math.min(block.length, size - from), from);
        if (bytesRead === 0) break;
        await copy.write(block, 0, bytesRead, to);
        from += bytesRead;
        to += bytesRead;
      }
    }
    await shift(path, keep);
    copyRestAndTruncate(log, copy, { from, to, maxBytes }, block);
  } catch (error) {
    await rm(unfinished, { force: true });
    if (!hasErrorCode(error, 'ENOSPC', 'EDQUOT')) throw error;
    // Rather without these lines than without a node: nobody else gives the disk back.
    await log.truncate(0);
    throw new Error(`${path} is emptied, and its lines are lost: the disk is full`, { cause: error });
  } finally {
    await copy.close();
  }
  await rename(unfinished, `${path}.1`);
}

/** Copies what was written meanwhile and empties the log. Synchronous, to leave the writer as little time as possible. */
function copyRestAndTruncate(
  log: FileHandle,
  copy: FileHandle,
  { from, to, maxBytes }: { from: number; to: number; maxBytes: number },
  block: Buffer,
): void {
  let at = from;
  while (at < from + maxBytes) {
    const read = readSync(log.fd, block, 0, block.length, at);
    if (read === 0) break;
    writeSync(copy.fd, block, 0, read, to + at - from);
    at += read;
  }
  ftruncateSync(log.fd, 0);
}

/** Renames `.1` to `.2` and so on; the last one is removed. */
async function shift(path: string, keep: number): Promise<void> {
  await rm(`${path}.${keep}`, { force: true });
  for (let number = keep - 1; number >= 1; number -= 1) {
    await rename(`${path}.${number}`, `${path}.${number + 1}`).catch(ignoreAbsent);
  }
}

/** Where the first line after the offset begins; the offset itself if none begins before `end`. */
async function nextLineStart(log: FileHandle, offset: number, end: number, block: Buffer): Promise<number> {
  if (offset === 0) return 0;
  const { bytesRead } = await log.read(block, 0, block.length, offset - 1);
  const at = block.subarray(0, bytesRead).indexOf(newline);
  return at < 0 || offset + at >= end ? offset : offset + at;
}

function ignoreAbsent(error: unknown): undefined {
  if (hasErrorCode(error, 'ENOENT')) return undefined;
  throw error;
}
