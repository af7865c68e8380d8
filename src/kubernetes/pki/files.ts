import { readFile } from 'node:fs/promises';
import { hasErrorCode } from '../../lib/systemError.ts';

/** The mode of files that only their owner may read. */
export const privateMode = 0o600;
/** The mode of files that anybody may read who can reach the folder. */
export const publicMode = 0o644;

/** The text of `file`, or undefined when there is no such file. */
export async function readIfThere(file: string): Promise<string | undefined> {
  try {
    return await readFile(file, 'utf8');
  } catch (error) {
    if (hasErrorCode(error, 'ENOENT')) return undefined;
    throw error;
  }
}
