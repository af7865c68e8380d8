import { programFile } from '../lib/paths.ts';

/** The program that runs a node in its box, with the arguments of this command, by which people find it among the processes. */
export function insideArgv(): [string, ...string[]] {
  return [process.execPath, programFile('supervisor'), ...process.argv.slice(2)];
}
