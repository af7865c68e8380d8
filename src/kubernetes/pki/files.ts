import { readFile } from 'node:fs/promises';
import { writeFileAtomicallySync } from '../../lib/atomicFile.ts';
import { Failure, reasonOf } from '../../lib/errors.ts';
import { hasErrorCode, isSystemError } from '../../lib/systemError.ts';

/** The mode of files that only their owner may read. */
export const privateMode = 0o600;
/** The mode of files that anybody may read who can reach the folder. */
export const publicMode = 0o644;

/**
 * The text of `file`, or undefined when there is no such file.
 * @throws Failure `preflight` if it is a folder: the system's error does not name it
 */
export async function readIfThere(file: string): Promise<string | undefined> {
  try {
    return await readFile(file, 'utf8');
  } catch (error) {
    if (hasErrorCode(error, 'ENOENT')) return undefined;
    if (hasErrorCode(error, 'EISDIR'))
      throw new Failure('preflight', `${file} is a folder, not a file`, {
        hint: 'put the file back in its place',
        cause: error,
      });
    throw error;
  }
}

/**
 * Does work on the certificates in `dir`.
 * @throws Failure `preflight` with the reason of the system; what the work throws otherwise
 */
export async function explained<T>(dir: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (!isSystemError(error)) throw error;
    throw new Failure(
      'preflight',
      `the certificates in ${dir} cannot be read or written: ${reasonOf(error)}`,
      { hint: 'remove what is in the way, or put the files back', cause: error },
    );
  }
}

/** Writes the file in one step, unless it has this text already. */
export async function writeIfChanged(file: string, text: string, mode: number): Promise<void> {
  if ((await readIfThere(file)) !== text) writeFileAtomicallySync(file, text, { mode });
}
