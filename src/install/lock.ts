import { open, type FileHandle } from 'node:fs/promises';
import { Unhealthy, type Probe } from '../../probes/probe.ts';
import { DeadlineExceeded, until } from '../../probes/until.ts';
import { Failure, reasonOf } from '../lib/errors.ts';
import { flock } from '../lib/flock.ts';
import { hasErrorCode } from '../lib/systemError.ts';

export interface LockOptions {
  readonly signal: AbortSignal;
  /** Receives the holder of the lock while we wait for it. */
  readonly onWait: (reason: string) => void;
  /** In ms. A build on a slow machine takes most of an hour. */
  readonly timeoutMs?: number;
}

/**
 * Runs `work` with an exclusive lock on `file`. The kernel holds the lock (flock(2)) as long as our descriptor or a copy of
 * it in a child is open, so a kill -9 leaves no stale lock. `work` receives the descriptor to pass to children.
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
  const timing = {
    timeoutMs,
    periodMs: 100,
    maxPeriodMs: 1000,
    attemptTimeoutMs: 10_000,
    onAttemptFailed: onWait,
  };
  await until(locked(handle, file), timing, signal).catch((cause: unknown) => {
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

function locked(handle: FileHandle, file: string): Probe {
  return async () => {
    const isLocked = await flock(handle.fd).catch((cause: unknown) => {
      const hint = cause instanceof Failure ? cause.hint : undefined;
      throw new Failure('install', `cannot lock ${file}: ${reasonOf(cause)}`, {
        ...(hint && { hint }),
        cause,
      });
    });
    if (!isLocked) throw new Unhealthy(await holderOf(handle, file));
  };
}

async function holderOf(handle: FileHandle, file: string): Promise<string> {
  const { buffer, bytesRead } = await handle.read(Buffer.alloc(200), 0, 200, 0);
  const [, pid, since] = /^(\d+) (\S+)\n/.exec(buffer.toString('utf8', 0, bytesRead)) ?? [];
  // The holder writes its line just after it gets the lock.
  if (pid === undefined) return `another k8s-single holds ${file}`;
  return isAlive(Number(pid))
    ? `another k8s-single (pid ${pid}) is installing since ${since}`
    : `a command that k8s-single (pid ${pid}, exited) started is still running`;
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch (error) {
    return hasErrorCode(error, 'EPERM');
  }
}
