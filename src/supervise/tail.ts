import { open } from 'node:fs/promises';

/** No line of a report is worth more than this, in bytes. */
const window = 64 * 1024;

/** The last `count` lines of a file, not looking before byte `from`. A file that was rotated meanwhile is read whole. */
export async function tail(path: string, count: number, from = 0): Promise<string[]> {
  const file = await open(path, 'r');
  try {
    const { size } = await file.stat();
    const first = from > size ? 0 : from;
    const start = Math.max(first, size - window);
    const buffer = Buffer.alloc(size - start);
    const { bytesRead } = await file.read(buffer, 0, buffer.length, start);
    const lines = buffer.toString('utf8', 0, bytesRead).split('\n');
    if (start > first) lines.shift();
    return lines.filter((line) => line.trim() !== '').slice(-count);
  } finally {
    await file.close();
  }
}
