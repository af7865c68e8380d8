import { stripVTControlCharacters } from 'node:util';
import { CommanderError } from 'commander';
import { exitCodes, Failure } from '../lib/errors.ts';

/** Prints an error on stderr and returns its exit code. Only a bug is printed with its stack. */
export function printError(error: unknown): number {
  // Commander has printed its own message, help or version.
  if (error instanceof CommanderError) return error.exitCode === 0 ? exitCodes.ok : exitCodes.usage;
  if (error instanceof Failure) {
    console.error(`k8s-single: ${withoutEscapes(error.message)}`);
    if (error.hint !== undefined) console.error(`  ${withoutEscapes(error.hint)}`);
    return exitCodes[error.code];
  }
  console.error('k8s-single: this is a bug in k8s-single itself');
  console.error(error);
  return exitCodes.bug;
}

/** Removes escape sequences: a message may quote the output of programs. */
function withoutEscapes(text: string): string {
  return stripVTControlCharacters(text).replaceAll(/[^\P{Cc}\n\t]+/gu, ' ');
}
