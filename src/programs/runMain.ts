import { takeBack } from '../lib/childEnv.ts';
import { outliveReaders } from './ignoreBrokenPipe.ts';

/** Does what this process was started for, and has it exit with that code or with that of the error, which it says. */
export async function asProgram(act: () => Promise<number | undefined>): Promise<void> {
  takeBack();
  outliveReaders();
  try {
    const code = await act();
    if (code !== undefined) process.exitCode = code;
  } catch (error) {
    const { reportError } = await import('./printError.ts');
    process.exitCode = reportError(error);
  }
}
