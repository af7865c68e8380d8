import { stripVTControlCharacters } from 'node:util';
import { CommanderError } from 'commander';
import { exitCodes, Failure } from '../lib/errors.ts';

/** Says on stderr what went wrong and returns the exit code for it. A bug shows where it is; nothing else needs a stack. */
export function printError(error: unknown): number {
  // Commander has said what it has to say, help and version included.
  if (error instanceof CommanderError) return error.exitCode === 0 ? exitCodes.ok : exitCodes.usage;
  if (error instanceof Failure) {
    console.error(`k8s-single: ${harmless(error.message)}`);
    if (error.hint !== undefined) console.error(`  ${harmless(error.hint)}`);
    return exitCodes[error.code];
  }
  console.error('k8s-single: this is a bug in k8s-single itself');
  console.error(error);
  return exitCodes.bug;
}

/** A message quotes what programs wrote: no escape sequence of theirs reaches the terminal. */
function harmless(text: string): string {
  return stripVTControlCharacters(text).replaceAll(/[^\P{Cc}\n\t]+/gu, ' ');
}
