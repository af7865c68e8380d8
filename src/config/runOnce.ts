import { once } from 'node:events';
import { createWriteStream } from 'node:fs';
import { mkdir, open } from 'node:fs/promises';
import { dirname } from 'node:path';
import { execa } from 'execa';
import type { Command } from '../component.ts';
import { reasonOf } from '../errors.ts';

/** The end of a log that can hold the last line, in bytes. */
const tailBytes = 4096;

/**
 * Runs the command once, with its output appended to `logFile`. It has a process group of its own, of which nothing is
 * left when this ends: not at its exit, and not when the signal aborts.
 * @throws Error with how it ended and the last line it wrote, unless it exited with 0.
 */
export async function runOnce(command: Command, logFile: string, signal: AbortSignal): Promise<void> {
  signal.throwIfAborted();
  const { file, args, ...options } = command;
  await mkdir(dirname(logFile), { recursive: true, mode: 0o700 });
  const log = createWriteStream(logFile, { flags: 'a', mode: 0o600 });
  await once(log, 'open');
  const child = execa(file, args, {
    ...options,
    stdio: ['ignore', log, log],
    detached: true,
    cleanup: false,
    reject: false,
    buffer: false,
  });
  log.destroy();
  const kill = (): void => killGroup(child.pid);
  signal.addEventListener('abort', kill, { once: true });
  const {
    exitCode,
    signal: killer,
    cause,
  } = await child.finally(() => {
    signal.removeEventListener('abort', kill);
    kill();
  });
  signal.throwIfAborted();
  if (exitCode === 0) return;
  if (child.pid === undefined) throw new Error(`cannot start ${file}: ${reasonOf(cause)}`, { cause });
  const how = killer === undefined ? `exited with code ${exitCode}` : `was killed by ${killer}`;
  const last = await lastLine(logFile);
  throw new Error(`${file} ${how}${last && `: ${last}`}`);
}

async function lastLine(file: string): Promise<string> {
  await using log = await open(file);
  const { size } = await log.stat();
  const position = Math.max(0, size - tailBytes);
  const { buffer, bytesRead } = await log.read({ buffer: Buffer.alloc(tailBytes), position });
  return buffer.toString('utf8', 0, bytesRead).trimEnd().split('\n').at(-1) ?? '';
}

function killGroup(pid: number | undefined): void {
  try {
    if (pid !== undefined) process.kill(-pid, 'SIGKILL');
  } catch {
    // Nobody is left in the group, which is what we want.
  }
}
