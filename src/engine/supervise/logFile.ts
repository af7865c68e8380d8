import { closeSync, constants, fstatSync, open, openSync, readSync } from 'node:fs';
import { mkdir, readlink, rm, symlink } from 'node:fs/promises';
import { dirname } from 'node:path';
import { promisify } from 'node:util';
import { errorCode } from '../../../probes/errorCode.ts';
import { Failure, reasonOf } from '../../lib/errors.ts';
import { lacksCause, linesWithCause } from './causeLine.ts';

const { O_APPEND, O_CREAT, O_NOFOLLOW, O_WRONLY } = constants;
const appendFlags = O_WRONLY | O_CREAT | O_APPEND;
const openAsync = promisify(open);

/** {@link tail} reads this much of the end of a file, in bytes. */
const tailBytes = 64 * 1024;

/** So much of it if it ends in a dump of goroutines: klog's Fatal prints up to 1.6 MB of them. */
const dumpBytes = 2 * 1024 * 1024;

/** {@link tail} shows at most this much of a line that is longer than {@link tailBytes}, in characters. */
const longLineChars = 1000;

/** Where a process writes its output: to `path`, or to `target` with a symlink at `path`. */
export interface LogFile {
  readonly path: string;
  readonly target: string | undefined;
}

/**
 * Opens the log file to append to it, creating its folder and the symlink, and replacing a symlink to another target.
 * Resolves with the file descriptor, which the caller closes.
 * @throws Failure `preflight` if something else is in its place, which no restart removes
 */
export async function openLog({ path, target }: LogFile): Promise<number> {
  if (target === undefined) {
    // The usual case at every start: one system call instead of four, and no thread.
    const descriptor = tryOpen(path);
    if (descriptor !== undefined) return descriptor;
  }
  try {
    await mkdir(dirname(path), { recursive: true, mode: 0o700 });
    await updateLink(path, target);
    return await openAsync(path, appendFlags, 0o600);
  } catch (error) {
    if (!inTheWay.has(errorCode(error) ?? '')) throw error;
    throw new Failure('preflight', `the log ${path} cannot be written: ${reasonOf(error)}`, {
      hint: 'remove what is in the way',
      cause: error,
    });
  }
}

/** A folder in place of the file, a file in place of a folder. */
const inTheWay: ReadonlySet<string> = new Set(['EISDIR', 'ENOTDIR', 'EEXIST']);

function tryOpen(path: string): number | undefined {
  try {
    return openSync(path, appendFlags | O_NOFOLLOW, 0o600);
  } catch {
    return undefined;
  }
}

/** Makes `path` a symlink to `target`; without a target, removes a symlink. */
async function updateLink(path: string, target: string | undefined): Promise<void> {
  const current = await readlink(path).catch(() => undefined);
  if (current === target) return;
  await rm(path, { force: true });
  if (target === undefined) return;
  await mkdir(dirname(target), { recursive: true });
  await symlink(target, path);
}

/**
 * Returns the last `count` non-empty lines of a file, from offset `from` on; none if the file cannot be read. If the file
 * ends in a dump of goroutines, they are those around the line above it, which names the cause. A file that is shorter than
 * `from` was rotated and is read from its start. Reads at most the last 64 KiB (2 MiB of a dump): if no line begins there,
 * the result is the end of the one long line, after an ellipsis. Synchronous: the next start waits for it, and reading by
 * promises would start threads.
 */
export function tail(path: string, count: number, from = 0): string[] {
  try {
    const end = readEnd(path, from, tailBytes);
    const lines = wholeLines(end);
    const more = end.isCut && lacksCause(lines) ? wholeLines(readEnd(path, from, dumpBytes)) : lines;
    return linesWithCause(more, count);
  } catch {
    return [];
  }
}

/** The end of the file as text. `isCut`: its first line may be incomplete. */
function readEnd(path: string, from: number, bytes: number): { text: string; isCut: boolean } {
  const file = openSync(path, 'r');
  try {
    const { size } = fstatSync(file);
    const first = from > size ? 0 : from;
    const start = Math.max(first, size - bytes);
    const buffer = Buffer.alloc(size - start);
    const bytesRead = readSync(file, buffer, 0, buffer.length, start);
    return { text: buffer.toString('utf8', 0, bytesRead), isCut: start > first };
  } finally {
    closeSync(file);
  }
}

function wholeLines({ text, isCut }: { text: string; isCut: boolean }): string[] {
  const lines = text.split('\n');
  const cutLine = isCut ? lines.shift() : undefined;
  const whole = lines.filter((line) => line.trim() !== '');
  if (whole.length === 0 && cutLine !== undefined && cutLine.trim() !== '')
    return [`…${cutLine.slice(-longLineChars)}`];
  return whole;
}
