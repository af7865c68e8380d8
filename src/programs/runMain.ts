import { restoreEnv } from '../lib/childEnv.ts';
import { ignoreBrokenPipe } from './ignoreBrokenPipe.ts';

/** Does what this process was started for, and has it exit with that code or with that of the error, which it says. */
export async function runMain(act: () => Promise<number | undefined>): Promise<void> {
  restoreEnv();
  ignoreBrokenPipe();
  try {
    const code = await act();
    if (code !== undefined) process.exitCode = code;
  } catch (error) {
    const { printError } = await import('./printError.ts');
    process.exitCode = printError(error);
  }
}
