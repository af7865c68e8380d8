import { constants } from 'node:fs';
import { chown, copyFile, mkdir, readdir, rename, rm, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
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

/**
 * Moves a file or a folder to a path at which nothing is. To another disk it is copied: what is at either path is always whole, and on
 * the disk.
 */
export async function moveTree(from: string, to: string): Promise<void> {
  await rename(from, to).catch(async (error: unknown) => {
    if (!hasErrorCode(error, 'EXDEV')) throw error;
    const [scratch, rest] = [`${to}.tmp`, `${from}.tmp`];
    await rm(scratch, { recursive: true, force: true });
    await copyTree(from, scratch);
    await rename(scratch, to);
    await syncToDisk(dirname(to));
    // A part of it would be taken for the whole.
    await rm(rest, { recursive: true, force: true });
    await rename(from, rest);
    await syncToDisk(dirname(from));
    await rm(rest, { recursive: true });
  });
}
