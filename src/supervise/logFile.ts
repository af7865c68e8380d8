import { mkdir, readlink, rm, symlink } from 'node:fs/promises';
import { dirname } from 'node:path';

/**
 * Makes room for a log at `path`: a file there, or a link to `elsewhere`, so that whoever looks for the log of a component
 * finds it by its name. A link of before that says something else is removed.
 */
export async function placeLog(path: string, elsewhere: string | undefined): Promise<void> {
  await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  const link = await readlink(path).catch(() => undefined);
  if (link === elsewhere) return;
  await rm(path, { force: true });
  if (elsewhere === undefined) return;
  await mkdir(dirname(elsewhere), { recursive: true });
  await symlink(elsewhere, path);
}
