import { readdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { Failure, reasonOf } from '../../lib/errors.ts';
import { hasErrorCode, isSystemError } from '../../lib/systemError.ts';

/** The name of a snapshot. */
export const snapshotName = /^(?=.{1,60}$)[a-z0-9]([-a-z0-9.]*[a-z0-9])?$/;
/** The same rule in words. */
export const snapshotNameForm = 'at most 60 lower-case letters, digits, dots and dashes';

const extension = '.snapshot.gz';
/** What `age -d` decrypts: https://age-encryption.org/v1 */
const encryptedExtension = '.age';

/** The file of a snapshot in a folder. */
export function snapshotPath(folder: string, name: string, isEncrypted: boolean): string {
  return join(folder, `${name}${extension}${isEncrypted ? encryptedExtension : ''}`);
}

/** A name for a snapshot that is taken now: `20261128-171500`, in UTC. */
export function nameByTime(now: Date): string {
  return now.toISOString().slice(0, 19).replaceAll(/[-:]/g, '').replace('T', '-');
}

/** The time in such a name, in ms since the epoch; undefined if it is none. */
export function timeInName(name: string): number | undefined {
  const [, ...parts] = /^(\d{4})(\d\d)(\d\d)-(\d\d)(\d\d)(\d\d)$/.exec(name) ?? [];
  const [year, month, day, hour, minute, second] = parts;
  const time = Date.parse(`${year}-${month}-${day}T${hour}:${minute}:${second}Z`);
  return Number.isNaN(time) ? undefined : time;
}

/** A snapshot in a folder. */
export interface StoredSnapshot {
  readonly name: string;
  readonly file: string;
  /** In bytes. */
  readonly size: number;
  readonly isEncrypted: boolean;
  /** When it was written. */
  readonly time: Date;
}

/**
 * The snapshots in a folder, the oldest first.
 * @throws Failure `preflight` if it cannot be read
 */
export async function storedSnapshots(folder: string): Promise<StoredSnapshot[]> {
  const names = await readdir(folder).catch((error: unknown) => {
    if (hasErrorCode(error, 'ENOENT')) return [];
    throw isSystemError(error) ? diskFailure(`cannot read the folder ${folder}`, error) : error;
  });
  const found = await Promise.all(names.map(async (entry) => storedSnapshot(folder, entry)));
  return found.filter((each) => each !== undefined).toSorted((a, b) => a.time.getTime() - b.time.getTime());
}

async function storedSnapshot(folder: string, entry: string): Promise<StoredSnapshot | undefined> {
  const isEncrypted = entry.endsWith(encryptedExtension);
  const [name = '', ...more] = entry.split(extension);
  if (!snapshotName.test(name) || more.join() !== (isEncrypted ? encryptedExtension : '')) return undefined;
  const file = join(folder, entry);
  const found = await stat(file).catch(() => undefined);
  if (found?.isFile() !== true) return undefined;
  return { name, file, size: found.size, isEncrypted, time: found.mtime };
}

/**
 * Removes snapshots. One that is not there is no error.
 * @throws Failure `preflight` if the disk refuses it
 */
export async function removeSnapshots(snapshots: readonly StoredSnapshot[]): Promise<void> {
  for (const { file } of snapshots) {
    await rm(file, { force: true }).catch((error: unknown) => {
      throw isSystemError(error) ? diskFailure(`cannot remove ${file}`, error) : error;
    });
  }
}

/** The error of a disk as one for people. */
export function diskFailure(what: string, cause: unknown): Failure {
  return new Failure('preflight', `${what}: ${reasonOf(cause)}`, {
    hint: 'fix that, or choose another place: --output, or snapshots.dir in the config',
    cause,
  });
}
