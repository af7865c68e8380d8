import { constants } from 'node:fs';
import { chown, copyFile, mkdir, readdir, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { syncToDisk } from './atomicFile.ts';
import { hasErrorCode } from './systemError.ts';

/** Copies a file or a folder with modes and owners, by reference where the file system can, and waits for the disk. */
export async function copyTree(from: string, to: string, signal?: AbortSignal): Promise<void> {
  signal?.throwIfAborted();
  const source = await stat(from);
  if (source.isDirectory()) {
    await mkdir(to, { mode: source.mode & 0o7777 });
    for (const name of await readdir(from)) await copyTree(join(from, name), join(to, name), signal);
  } else {
    await copyFile(from, to, constants.COPYFILE_FICLONE);
  }
  await chown(to, source.uid, source.gid);
  await syncToDisk(to);
}

/** Moves a file or a folder to a path at which nothing is. To another disk it is copied: what is at that path is always whole. */
export async function moveTree(from: string, to: string): Promise<void> {
  await rename(from, to).catch(async (error: unknown) => {
    if (!hasErrorCode(error, 'EXDEV')) throw error;
    const scratch = `${to}.tmp`;
    await rm(scratch, { recursive: true, force: true });
    await copyTree(from, scratch);
    await rename(scratch, to);
    await rm(from, { recursive: true });
  });
}
