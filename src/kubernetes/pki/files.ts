import { randomBytes } from 'node:crypto';
import { link, readFile, rename, rm, writeFile } from 'node:fs/promises';

/** For what only its owner may read. */
export const privateMode = 0o600;
/** For what anybody may read who can reach it. */
export const publicMode = 0o644;

/** Whether `error` is the system's error `code`, such as `ENOENT`. */
export function hasCode(error: unknown, code: string): boolean {
  return error instanceof Error && 'code' in error && error.code === code;
}

/** The text of `file`, or undefined when there is no such file. */
export async function readIfThere(file: string): Promise<string | undefined> {
  try {
    return await readFile(file, 'utf8');
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return undefined;
    throw error;
  }
}

/** Writes `file` in one step: a reader sees the old content or the new, never a part. */
export async function replaceFile(file: string, content: string, mode: number): Promise<void> {
  await viaTemporary(file, content, mode, (temporary) => rename(temporary, file));
}

/** Like {@link replaceFile}, but a file that is already there stays: of several processes the first one wins. */
export async function createOnce(file: string, content: string, mode: number): Promise<void> {
  await viaTemporary(file, content, mode, async (temporary) => {
    try {
      await link(temporary, file);
    } catch (error) {
      if (!hasCode(error, 'EEXIST')) throw error;
    }
  });
}

async function viaTemporary(
  file: string,
  content: string,
  mode: number,
  moveIn: (temporary: string) => Promise<void>,
): Promise<void> {
  const temporary = `${file}.${randomBytes(6).toString('hex')}.tmp`;
  try {
    await writeFile(temporary, content, { mode, flag: 'wx' });
    await moveIn(temporary);
  } finally {
    await rm(temporary, { force: true });
  }
}
