import { constants, open, openSync } from 'node:fs';
import { mkdir, readlink, rm, symlink } from 'node:fs/promises';
import { dirname } from 'node:path';
import { promisify } from 'node:util';

const { O_APPEND, O_CREAT, O_NOFOLLOW, O_WRONLY } = constants;
const appending = O_WRONLY | O_CREAT | O_APPEND;
const openFile = promisify(open);

/**
 * Opens the log at `path` to append to it: a file there, or a link to `elsewhere`, so that whoever looks for the log of a
 * component finds it by its name. A link of before that says something else is removed. Resolves with the descriptor, which
 * is the caller's to close.
 */
export async function openLog(path: string, elsewhere: string | undefined): Promise<number> {
  if (elsewhere === undefined) {
    // Nearly always the file is there or can be: one call of the system instead of four and no thread, for every start.
    const opened = openedAtOnce(path);
    if (opened !== undefined) return opened;
  }
  await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  await placeLink(path, elsewhere);
  return openFile(path, appending, 0o600);
}

function openedAtOnce(path: string): number | undefined {
  try {
    return openSync(path, appending | O_NOFOLLOW, 0o600);
  } catch {
    return undefined;
  }
}

async function placeLink(path: string, elsewhere: string | undefined): Promise<void> {
  const link = await readlink(path).catch(() => undefined);
  if (link === elsewhere) return;
  await rm(path, { force: true });
  if (elsewhere === undefined) return;
  await mkdir(dirname(elsewhere), { recursive: true });
  await symlink(elsewhere, path);
}
