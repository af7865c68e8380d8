import { lstatSync, statSync } from 'node:fs';
import { realpath, stat, writeFile } from 'node:fs/promises';
import { writeFileAtomically } from './atomicFile.ts';
import { Failure } from './errors.ts';

/**
 * Call it before the work on a file that the user asks for, if that is put into its place by a rename: what is there must not be a
 * device, a pipe or a folder, or a link to one, such as `/dev/stdout`.
 * @throws Failure `usage`
 */
export function assertReplaceable(file: string): void {
  const found = lstatSync(file, { throwIfNoEntry: false });
  const target = found?.isSymbolicLink() === true ? statSync(file, { throwIfNoEntry: false }) : found;
  if (target === undefined || target.isFile()) return;
  throw new Failure('usage', `cannot write ${file}: it is there, and no file`, {
    hint: 'write it to another place',
  });
}

/** Writes a text that the user asks for: a file in one step, through a link, and anything else, such as a pipe, as it is. */
export async function writeOutput(file: string, text: string): Promise<void> {
  const found = await stat(file).catch(() => undefined);
  if (found === undefined) await writeFileAtomically(file, text);
  else if (found.isFile())
    await writeFileAtomically(await realpath(file), text, { mode: found.mode & 0o777 });
  else await writeFile(file, text);
}
