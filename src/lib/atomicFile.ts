import { randomBytes } from 'node:crypto';
import {
  chmodSync,
  chownSync,
  closeSync,
  existsSync,
  fsyncSync,
  linkSync,
  mkdirSync,
  openSync,
  readdirSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { mkdir, open, readdir, rename, rm, rmdir, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { hasErrorCode } from './systemError.ts';

interface WriteOptions {
  /** Default: 0666 less the umask. */
  readonly mode?: number;
}

/** Writes the file in one step: a reader sees the old content or the new, never a part. Does not wait for the disk (fsync). */
export async function writeFileAtomically(
  path: string,
  content: string,
  options: WriteOptions = {},
): Promise<void> {
  await replaceAtomically(path, (temporary) => writeFile(temporary, content, { ...options, flag: 'wx' }));
}

/** Creates or replaces `path` with what `make` creates at a temporary path in the same folder: a file or a symbolic link. */
export async function replaceAtomically(
  path: string,
  make: (temporary: string) => Promise<void>,
): Promise<void> {
  const temporary = temporaryFor(path);
  try {
    await make(temporary);
    await rename(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
}

interface SyncWriteOptions extends WriteOptions {
  /** Change the owner before the file is in place. */
  readonly owner?: { readonly uid: number; readonly gid: number };
  /** Wait until it is on the disk: a power cut leaves the old content or the new, too, and never an empty file. */
  readonly durable?: boolean;
}

/** {@link writeFileAtomically}, synchronous. */
export function writeFileAtomicallySync(
  path: string,
  content: string,
  { owner, durable = false, ...options }: SyncWriteOptions = {},
): void {
  const temporary = temporaryFor(path);
  try {
    writeFileSync(temporary, content, { ...options, flag: 'wx' });
    if (owner !== undefined) chownSync(temporary, owner.uid, owner.gid);
    if (durable) syncToDiskSync(temporary);
    renameSync(temporary, path);
  } catch (error) {
    rmSync(temporary, { force: true });
    throw error;
  }
  if (durable) syncToDiskSync(dirname(path));
}

/**
 * Like {@link writeFileAtomicallySync}, but an existing file stays: of several processes, the first one wins. With `durable`, its
 * content is on the disk before it has its name; a power cut may still take the name.
 */
export function createFileAtomicallySync(
  path: string,
  content: string,
  { durable = false, ...options }: Omit<SyncWriteOptions, 'owner'> = {},
): void {
  const temporary = temporaryFor(path);
  try {
    writeFileSync(temporary, content, { ...options, flag: 'wx' });
    if (durable) syncToDiskSync(temporary);
    linkSync(temporary, path);
  } catch (error) {
    if (!hasErrorCode(error, 'EEXIST')) throw error;
  } finally {
    rmSync(temporary, { force: true });
  }
}

/**
 * Moves a folder into place. One that is there is not removed, which would leave nothing for a moment: each of its files is replaced in
 * one step, and the others stay.
 */
export async function moveInto(target: string, folder: string): Promise<void> {
  await mkdir(dirname(target), { recursive: true });
  try {
    await renameOver(folder, target);
    return;
  } catch (error) {
    if (!hasErrorCode(error, 'ENOTEMPTY', 'EEXIST')) throw error;
  }
  for (const entry of await readdir(folder, { withFileTypes: true })) {
    const [from, to] = [join(folder, entry.name), join(target, entry.name)];
    await (entry.isDirectory() ? moveInto(to, from) : renameOver(from, to));
  }
  await rmdir(folder);
}

/** Renames also to the name of something of the other kind, file or folder: that is of no use. */
async function renameOver(from: string, to: string): Promise<void> {
  await rename(from, to).catch(async (error: unknown) => {
    if (!hasErrorCode(error, 'EISDIR', 'ENOTDIR')) throw error;
    await rm(to, { recursive: true });
    await rename(from, to);
  });
}

/** Waits until a file, or the names in a folder, are on the disk: fsync(2). */
export async function syncToDisk(path: string): Promise<void> {
  await using file = await open(path, 'r');
  await file.sync();
}

/** {@link syncToDisk}, synchronous. */
export function syncToDiskSync(path: string): void {
  const fd = openSync(path, 'r');
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}

/** Makes a folder, and those above it, that nobody but the owner reaches; also closes one of an earlier version. */
export function ensurePrivateFolder(path: string): void {
  mkdirSync(path, { recursive: true, mode: 0o700 });
  chmodSync(path, 0o700);
}

/** The name of the file that this one, by its name, was to replace; undefined unless it is a temporary one of this module. */
export function targetOf(name: string): string | undefined {
  return /^(.+)\.[0-9a-f]{12}\.tmp$/.exec(name)?.[1];
}

/** Removes what interrupted writes have left in these folders. Nobody may be writing there. */
export function removeTemporaries(...folders: readonly string[]): void {
  for (const folder of folders) removeAll(folder, (target) => target !== undefined);
}

/** Removes what interrupted writes of this file have left. Nobody may be writing it. */
export function removeTemporariesOf(path: string): void {
  removeAll(dirname(path), (target) => target === basename(path));
}

function removeAll(folder: string, isLeft: (target: string | undefined) => boolean): void {
  if (!existsSync(folder)) return;
  const left = readdirSync(folder).filter((name) => isLeft(targetOf(name)));
  for (const name of left) rmSync(join(folder, name), { force: true });
}

/** Random rather than by process id: processes of several PID namespaces may write to one folder. */
function temporaryFor(path: string): string {
  return `${path}.${randomBytes(6).toString('hex')}.tmp`;
}
