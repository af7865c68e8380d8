import { existsSync } from 'node:fs';
import { mkdir, readdir, rename, rm, rmdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { syncToDisk } from '../../lib/atomicFile.ts';
import { Failure, reasonOf } from '../../lib/errors.ts';
import { isSystemError } from '../../lib/systemError.ts';
import { moveTree } from '../../lib/tree.ts';

// Apart from the rest of a restore: every start calls it, and loads nothing else for it.

/**
 * What a restore replaces. The kubeconfigs are made anew, as all certificates but those in the snapshot; a half-done upgrade of the old
 * data goes. The last one is the sign that the others are done.
 */
export const restoredParts = [
  'etcd/member',
  'pki',
  'apiserver',
  'kubeconfig',
  'addons',
  'upgrade',
  'versions.json',
] as const;

/**
 * Finishes a restore that has begun: see {@link restoreSnapshot}. Does nothing without one. Can be repeated after a power cut at any
 * point. The caller holds the lock of the data folder.
 * @throws Failure `preflight` when the disk does not take it
 */
export async function completeRestore(data: string): Promise<void> {
  const folders = foldersOf(data);
  const { restore, replaced, scratch } = folders;
  // What is left of one that came to nothing.
  if (existsSync(scratch)) await onDisk(data, 'remove it', async () => rm(scratch, { recursive: true }));
  // Without either file it is a user's own folder.
  if (!['versions.json', 'begun'].some((file) => existsSync(join(restore, file)))) return;
  await onDisk(data, 'the next start goes on from there, and nothing is lost', async () => {
    // Without this file everything has its place.
    if (existsSync(join(restore, 'versions.json'))) {
      // Of the last restore, unless this one has begun to fill it.
      if (!existsSync(join(restore, 'begun'))) {
        await rm(replaced, { recursive: true, force: true });
        await writeFile(join(restore, 'begun'), '');
        await syncToDisk(restore);
      }
      for (const part of restoredParts) await replace(part, folders);
    }
    // Without manifests in it, it is as if it was not there.
    const addons = join(data, 'addons');
    if ((await readdir(addons).catch(() => ['none'])).length === 0) await rmdir(addons);
    await rename(restore, scratch);
    await syncToDisk(data);
    await rm(scratch, { recursive: true, force: true });
  });
}

interface Folders {
  readonly data: string;
  /** What takes its place: all of it, because it has its name by a rename. */
  readonly restore: string;
  readonly scratch: string;
  readonly replaced: string;
}

export function foldersOf(data: string): Folders {
  const at = (name: string): string => join(data, name);
  return { data, restore: at('restore'), scratch: at('restore.tmp'), replaced: at('replaced') };
}

async function replace(
  part: (typeof restoredParts)[number],
  { restore, data, replaced }: Folders,
): Promise<void> {
  const [from, to, old] = [join(restore, part), join(data, part), join(replaced, part)];
  const isNew = existsSync(from);
  // Of a part that is not in the snapshot, what is there stays.
  if (!isNew && part !== 'upgrade') return;
  if (existsSync(to)) {
    await mkdir(dirname(old), { recursive: true, mode: 0o700 });
    // It is a copy of the new one, if a crash came between a copy to another disk and its end.
    await (existsSync(old) ? rm(to, { recursive: true }) : moveTree(to, old));
  }
  if (!isNew) return;
  await mkdir(dirname(to), { recursive: true, mode: 0o700 });
  await moveTree(from, to);
  await syncToDisk(dirname(to));
}

/** @throws Failure `preflight` for an error of the disk */
export async function onDisk<T>(data: string, hint: string, work: () => Promise<T>): Promise<T> {
  return work().catch((cause: unknown) => {
    if (!isSystemError(cause)) throw cause;
    throw new Failure('preflight', `the snapshot cannot be restored to ${data}: ${reasonOf(cause)}`, {
      hint,
      cause,
    });
  });
}
