import { open } from 'node:fs/promises';

/** So much of the end of a file is looked at, in bytes. */
const window = 64 * 1024;

/** So much is shown of a line that is longer than that, in characters: it is for people. */
const endOfLine = 1000;

/**
 * The last `count` lines of a file, not looking before byte `from`. A file that was rotated meanwhile is read whole. When no
 * line begins in the last 64 KiB, it is the end of the one that goes through there, behind an ellipsis.
 */
export async function tail(path: string, count: number, from = 0): Promise<string[]> {
  const file = await open(path, 'r');
  try {
    const { size } = await file.stat();
    const first = from > size ? 0 : from;
    const start = Math.max(first, size - window);
    const buffer = Buffer.alloc(size - start);
    const { bytesRead } = await file.read(buffer, 0, buffer.length, start);
    const lines = buffer.toString('utf8', 0, bytesRead).split('\n');
    const cut = start > first ? lines.shift() : undefined;
    const whole = lines.filter((line) => line.trim() !== '');
    if (whole.length === 0 && cut !== undefined && cut.trim() !== '') return [`…${cut.slice(-endOfLine)}`];
    return whole.slice(-count);
  } finally {
    await file.close();
  }
}
