import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { open, type FileHandle } from 'node:fs/promises';
import { Failure, reasonOf } from '../lib/errors.ts';
import { Unhealthy, type Probe } from '../../probes/probe.ts';
import { DeadlineExceeded, until } from '../../probes/until.ts';

export interface LockOptions {
  readonly signal: AbortSignal;
  /** Told who holds the lock while we wait for it. */
  readonly onWait: (reason: string) => void;
  /** In ms. A build on a slow machine takes most of an hour. */
  readonly timeoutMs?: number;
}

/**
 * Does `work` while nobody else holds the lock on `file`. The kernel holds it (flock(2)) as long as our descriptor or
 * a copy of it in a child is open, so a kill -9 leaves no stale lock. `work` gets the descriptor to pass to children.
 */
export async function withLock<T>(
  file: string,
  options: LockOptions,
  work: (fd: number) => Promise<T>,
): Promise<T> {
  const { signal, onWait, timeoutMs = 3_600_000 } = options;
  await using handle = await open(file, 'a+').catch((cause: unknown) => {
    throw new Failure('install', `cannot use the cache: ${reasonOf(cause)}`, {
      hint: 'set XDG_CACHE_HOME to a folder that can be written',
      cause,
    });
  });
  const wait = {
    timeoutMs,
    periodMs: 100,
    maxPeriodMs: 1000,
    attemptTimeoutMs: 10_000,
    onAttemptFailed: onWait,
  };
  await until(locked(handle, file), wait, signal).catch((cause: unknown) => {
    if (!(cause instanceof DeadlineExceeded)) throw cause;
    throw new Failure('install', `waited too long: ${cause.lastReason}`, {
      hint: 'end it and try again',
      cause,
    });
  });
  await handle.truncate();
  await handle.write(`${process.pid} ${new Date().toISOString()}\n`);
  return await work(handle.fd);
}

/** Locks our descriptor: the lock belongs to the open file, not to flock(1), which only asks for it. */
function locked(handle: FileHandle, file: string): Probe {
  return async () => {
    const child = spawn('flock', ['--nonblock', '3'], { stdio: ['ignore', 'ignore', 'inherit', handle.fd] });
    const [code]: unknown[] = await once(child, 'exit').catch((cause: unknown) => {
      throw new Failure('install', `cannot lock ${file}: ${reasonOf(cause)}`, {
        hint: 'install util-linux',
        cause,
      });
    });
    if (code === 0) return;
    if (code === 1) throw new Unhealthy(await holderOf(handle, file));
    throw new Failure('install', `cannot lock ${file}: flock ended with ${String(code)}`);
  };
}

async function holderOf(handle: FileHandle, file: string): Promise<string> {
  const { buffer, bytesRead } = await handle.read(Buffer.alloc(200), 0, 200, 0);
  const [, pid, since] = /^(\d+) (\S+)\n/.exec(buffer.toString('utf8', 0, bytesRead)) ?? [];
  // Between its lock and its line there is none.
  if (pid === undefined) return `another k8s-single holds ${file}`;
  return isAlive(Number(pid))
    ? `another k8s-single (pid ${pid}) is installing since ${since}`
    : `a command that k8s-single (pid ${pid}, gone) started is still ending`;
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch (error) {
    return error instanceof Error && 'code' in error && error.code === 'EPERM';
  }
}
