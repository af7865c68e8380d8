import { restoreEnv } from '../lib/childEnv.ts';
import { Interrupted } from '../lib/signals.ts';
import { ignoreBrokenPipe } from './ignoreBrokenPipe.ts';

/**
 * Runs the main function of a program and sets the exit code of this process: what it resolves with, or that of the error,
 * which is printed. {@link Interrupted} ends this process by the signal.
 */
export async function runMain(main: () => Promise<number | undefined>): Promise<void> {
  restoreEnv();
  ignoreBrokenPipe();
  leaveDeletedFolder();
  try {
    const code = await main();
    if (code !== undefined) process.exitCode = code;
  } catch (error) {
    if (error instanceof Interrupted) {
      // Not an exit, which would wait for a pending read, such as that of a config on a pipe.
      process.kill(process.pid, error.signal);
      return;
    }
    const { printError } = await import('./printError.ts');
    process.exitCode = printError(error);
  }
}

/** Moves to / when the working folder has been deleted: process.cwd() and Go's os.Getwd() fail there. */
function leaveDeletedFolder(): void {
  try {
    process.cwd();
  } catch {
    process.chdir('/');
    console.error('k8s-single: the working folder has been deleted: relative paths start from / instead');
  }
}
