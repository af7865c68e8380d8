import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { constants } from 'node:os';
import { isatty } from 'node:tty';
import { reasonOf } from '../../lib/errors.ts';
import { hasErrorCode } from '../../host/cgroup/cgroupFiles.ts';
import type { Signals } from '../../lib/signals.ts';

/** What a shell says of a command that is not there, or is no program (sh(1)). */
const [notFound, notExecutable] = [127, 126];

/**
 * Runs a command on this terminal and resolves with its exit code, 128 + n when signal n ended it. The first signal that
 * this process gets is passed on to it; the second ends it. It is asked to end when `signal` aborts.
 */
export async function runCommand(
  [file, ...args]: readonly [string, ...string[]],
  { env, signals, signal }: { env: NodeJS.ProcessEnv; signals: Pick<Signals, 'sendTo'>; signal: AbortSignal },
): Promise<number> {
  const child = spawn(file, args, { stdio: 'inherit', env: { ...process.env, ...env } });
  const end = (): void => void child.kill('SIGTERM');
  signal.addEventListener('abort', end);
  let asked = 0;
  signals.sendTo((name) => {
    asked += 1;
    // Ctrl-C in a terminal reaches the command by itself, and a second one means something else to many. Not `process.stdin.isTTY`:
    // that would make a pipe non-blocking for the command, too, which then fails to read.
    if (asked === 1 && name === 'SIGINT' && isatty(0)) return;
    child.kill(asked === 1 ? name : 'SIGKILL');
  });
  try {
    await once(child, 'exit');
  } catch (error) {
    console.error(`k8s-single: ${file}: ${reasonOf(error)}`);
    return hasErrorCode(error, 'ENOENT') ? notFound : notExecutable;
  } finally {
    signal.removeEventListener('abort', end);
  }
  const { exitCode, signalCode } = child;
  return signalCode === null ? (exitCode ?? 0) : signalExitCode(signalCode);
}

/** What a shell makes of a process that a signal has ended. */
export function signalExitCode(signal: NodeJS.Signals): number {
  return 128 + constants.signals[signal];
}
