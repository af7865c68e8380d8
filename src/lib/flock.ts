import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { Failure } from './errors.ts';

/**
 * Tries to lock an open file, without waiting, and resolves with whether it did. The lock belongs to the open file
 * (flock(2)), not to flock(1), which only requests it: it lasts as long as any process has a copy of the descriptor.
 * @throws Failure `preflight` when flock(1) is not installed.
 */
export async function flock(fd: number, how: 'exclusive' | 'shared' = 'exclusive'): Promise<boolean> {
  const child = spawn('flock', [`--${how}`, '--nonblock', '3'], {
    stdio: ['ignore', 'ignore', 'inherit', fd],
  });
  const [code]: unknown[] = await once(child, 'exit').catch((cause: unknown) => {
    throw new Failure('preflight', 'flock is not installed', { hint: 'apt-get install util-linux', cause });
  });
  if (code !== 0 && code !== 1) throw new Error(`flock ended with ${String(code)}`);
  return code === 0;
}
