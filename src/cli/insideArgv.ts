import { programBeside } from '../paths.ts';

/** The program that runs a node in its box, with the arguments of this command, by which people find it among the processes. */
export function insideArgv(): [string, ...string[]] {
  return [process.execPath, programBeside(import.meta.url, 'inside'), ...process.argv.slice(2)];
}
