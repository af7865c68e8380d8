import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, fstatSync, mkdirSync, openSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { isCode } from './cgroupFiles.ts';
import { missing } from './tool.ts';

/**
 * Takes the lock of a node, a file in its run folder, and resolves with the descriptor that holds it; `undefined` when
 * someone else does. It is held as long as any process has the descriptor, so "locked" means "alive" even when the
 * process that took it is gone, and a machine that lost power leaves no stale lock.
 */
export async function lockNode(run: string): Promise<number | undefined> {
  const file = lockFile(run);
  for (;;) {
    const fd = open(run, file);
    if (fd === undefined) continue;
    const taken = await flock(fd);
    if (taken && isStill(file, fd)) return fd;
    closeSync(fd);
    if (!taken) return undefined;
  }
}

/** Nothing when the node before is removing its folder right now. */
function open(run: string, file: string): number | undefined {
  try {
    mkdirSync(run, { recursive: true, mode: 0o700 });
    return openSync(file, 'a', 0o600);
  } catch (error) {
    if (isCode(error, 'ENOENT')) return undefined;
    throw error;
  }
}

/** The path of the lock, which has to be the last thing removed from the run folder. */
export function lockFile(run: string): string {
  return join(run, 'lock');
}

/** The lock belongs to the open file, not to flock(1), which only asks for it (flock(2)). */
async function flock(fd: number): Promise<boolean> {
  const child = spawn('flock', ['--nonblock', '3'], { stdio: ['ignore', 'ignore', 'inherit', fd] });
  const [code]: unknown[] = await once(child, 'exit').catch((error: unknown) => {
    throw missing('flock', error);
  });
  if (code !== 0 && code !== 1) throw new Error(`flock ended with ${String(code)}`);
  return code === 0;
}

/** Not when the holder before has removed the file between our open and our lock. */
function isStill(file: string, fd: number): boolean {
  return statSync(file, { throwIfNoEntry: false })?.ino === fstatSync(fd).ino;
}
