import { randomBytes } from 'node:crypto';
import {
  chmodSync,
  chownSync,
  existsSync,
  linkSync,
  mkdirSync,
  readdirSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
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

/** {@link writeFileAtomically}, synchronous. `owner`: change the owner before the file is in place. */
export function writeFileAtomicallySync(
  path: string,
  content: string,
  { owner, ...options }: WriteOptions & { owner?: { readonly uid: number; readonly gid: number } } = {},
): void {
  const temporary = temporaryFor(path);
  try {
    writeFileSync(temporary, content, { ...options, flag: 'wx' });
    if (owner !== undefined) chownSync(temporary, owner.uid, owner.gid);
    renameSync(temporary, path);
  } catch (error) {
    rmSync(temporary, { force: true });
    throw error;
  }
}

/** Like {@link writeFileAtomicallySync}, but an existing file stays: of several processes, the first one wins. */
export function createFileAtomicallySync(path: string, content: string, options: WriteOptions = {}): void {
  const temporary = temporaryFor(path);
  try {
    writeFileSync(temporary, content, { ...options, flag: 'wx' });
    linkSync(temporary, path);
  } catch (error) {
    if (!hasErrorCode(error, 'EEXIST')) throw error;
  } finally {
    rmSync(temporary, { force: true });
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
  for (const folder of folders) {
    if (!existsSync(folder)) continue;
    const left = readdirSync(folder).filter((name) => targetOf(name) !== undefined);
    for (const name of left) rmSync(join(folder, name), { force: true });
  }
}

/** Random rather than by process id: processes of several PID namespaces may write to one folder. */
function temporaryFor(path: string): string {
  return `${path}.${randomBytes(6).toString('hex')}.tmp`;
}
