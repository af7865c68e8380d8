import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { isatty } from 'node:tty';
import type { Argv } from '../../host/tool.ts';
import { reasonOf } from '../../lib/errors.ts';
import { hasErrorCode } from '../../lib/systemError.ts';
import { signalExitCode } from '../../lib/signals.ts';
import type { Signals } from '../../lib/signals.ts';

/** The exit codes of sh(1) for a command that is not found or cannot be executed. */
const [notFound, notExecutable] = [127, 126];

/**
 * Runs a command on this terminal. Resolves with its exit code, 128 + n when signal n ended it. Passes on the first signal
 * that this process gets, and kills the command at the second. Asks it to end when `signal` aborts.
 */
export async function runCommand(
  [file, ...args]: Argv,
  {
    env,
    signals,
    signal,
  }: { env: NodeJS.ProcessEnv; signals: Pick<Signals, 'handleWith'>; signal: AbortSignal },
): Promise<number> {
  const child = spawn(file, args, { stdio: 'inherit', env: { ...process.env, ...env } });
  const end = (): void => void child.kill('SIGTERM');
  signal.addEventListener('abort', end);
  let asked = 0;
  signals.handleWith((name) => {
    asked += 1;
    // Ctrl-C in a terminal reaches the command by itself, and many treat a second one differently. Not `process.stdin.isTTY`,
    // which makes a pipe non-blocking for the command, too.
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
