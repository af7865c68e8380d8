import { closeSync, fstatSync, openSync, readSync } from 'node:fs';

/** So much of the end of a file is looked at, in bytes. */
const window = 64 * 1024;

/** So much is shown of a line that is longer than that, in characters: it is for people. */
const endOfLine = 1000;

/**
 * The last `count` lines of a file, not looking before byte `from`; none of one that cannot be read. A file that was rotated
 * meanwhile is read whole. When no line begins in the last 64 KiB, it is the end of the one that goes through there, behind an
 * ellipsis. Read at once, without the threads that reading by promises takes: the next start of the component waits for it.
 */
export function tail(path: string, count: number, from = 0): string[] {
  try {
    return lastLines(endOf(path, from), count);
  } catch {
    return [];
  }
}

/** The text of a file from there on, or of its window, and whether a line may go through where that begins. */
function endOf(path: string, from: number): { text: string; isCut: boolean } {
  const file = openSync(path, 'r');
  try {
    const { size } = fstatSync(file);
    const first = from > size ? 0 : from;
    const start = Math.max(first, size - window);
    const buffer = Buffer.alloc(size - start);
    const bytesRead = readSync(file, buffer, 0, buffer.length, start);
    return { text: buffer.toString('utf8', 0, bytesRead), isCut: start > first };
  } finally {
    closeSync(file);
  }
}

function lastLines({ text, isCut }: { text: string; isCut: boolean }, count: number): string[] {
  const lines = text.split('\n');
  const cut = isCut ? lines.shift() : undefined;
  const whole = lines.filter((line) => line.trim() !== '');
  if (whole.length === 0 && cut !== undefined && cut.trim() !== '') return [`…${cut.slice(-endOfLine)}`];
  return whole.slice(-count);
}
