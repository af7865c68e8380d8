import { existsSync } from 'node:fs';
import { mkdir, rename, rm, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { syncToDisk } from '../../lib/atomicFile.ts';
import { Failure, reasonOf } from '../../lib/errors.ts';
import { isSystemError } from '../../lib/systemError.ts';
import { moveTree } from '../../lib/tree.ts';
import { recordOf } from '../dataVersions.ts';
import type { Versions } from '../dataVersions.ts';
import type { SnapshotEntry, SnapshotHeader } from './format.ts';
import { withEtcd, writeAll } from './privateEtcd.ts';
import type { EtcdProgram } from './privateEtcd.ts';
import { beginAfter, revisionOf } from './revision.ts';

/**
 * Puts a snapshot in the place of a node's data, as states of the disk. The caller holds the lock of the data folder.
 *
 *     old ---- restore.tmp is made, and renamed to restore ----> begun
 *     begun -- each part of restore takes its place -----------> new
 *
 * What was in these places is in the folder `replaced` then, until the next restore. Once begun, it is always completed: by this
 * function or, after a crash, by the next start ({@link completeRestore}).
 */
export async function restoreSnapshot(
  { header, entries }: { readonly header: SnapshotHeader; readonly entries: AsyncIterable<SnapshotEntry> },
  options: RestoreOptions,
): Promise<{ readonly objects: number }> {
  const { data } = options;
  const scratch = join(data, 'restore.tmp');
  return onDisk(data, 'nothing was changed: free some space, and try again', async () => {
    await rm(scratch, { recursive: true, force: true });
    try {
      const objects = await build(scratch, { header, entries }, options);
      await rename(scratch, join(data, 'restore'));
      await syncToDisk(data);
      await completeRestore(data);
      return { objects };
    } finally {
      await rm(scratch, { recursive: true, force: true });
    }
  });
}

interface RestoreOptions {
  /** The node's data folder. */
  readonly data: string;
  readonly program: EtcdProgram;
  /** Of the programs that will run on it. */
  readonly versions: Versions;
  readonly signal: AbortSignal;
}

/**
 * What is replaced. The kubeconfigs are made anew, as all certificates but those in the snapshot; a half-done upgrade of the old data
 * goes. The last one is the sign that the others are done.
 */
const parts = [
  'etcd/member',
  'pki',
  'apiserver',
  'kubeconfig',
  'addons',
  'upgrade',
  'versions.json',
] as const;

/** Finishes a restore that was interrupted. Does nothing without one. Can be repeated after a power cut at any point. */
export async function completeRestore(data: string): Promise<boolean> {
  const [restore, replaced] = [join(data, 'restore'), join(data, 'replaced')];
  const isBegun = existsSync(join(restore, 'versions.json'));
  // What is left of a restore that was complete. Without either file it is a user's own folder.
  if (!isBegun && existsSync(join(restore, 'begun'))) await rm(restore, { recursive: true, force: true });
  if (!isBegun) return false;
  await onDisk(data, 'the next start goes on from there, and nothing is lost', async () => {
    // Of the last restore, unless this one has begun to fill it.
    if (!existsSync(join(restore, 'begun'))) {
      await rm(replaced, { recursive: true, force: true });
      await writeFile(join(restore, 'begun'), '');
      await syncToDisk(restore);
    }
    for (const part of parts) await replace(part, { restore, data, replaced });
    await rm(restore, { recursive: true, force: true });
    await syncToDisk(data);
  });
  return true;
}

interface Folders {
  readonly restore: string;
  readonly data: string;
  readonly replaced: string;
}

async function replace(part: (typeof parts)[number], { restore, data, replaced }: Folders): Promise<void> {
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

async function onDisk<T>(data: string, hint: string, work: () => Promise<T>): Promise<T> {
  return work().catch((cause: unknown) => {
    if (!isSystemError(cause)) throw cause;
    throw new Failure('preflight', `the snapshot cannot be restored to ${data}: ${reasonOf(cause)}`, {
      hint,
      cause,
    });
  });
}

/** Makes all parts in a folder. Resolves with the number of objects. */
async function build(
  folder: string,
  { header, entries }: { readonly header: SnapshotHeader; readonly entries: AsyncIterable<SnapshotEntry> },
  { program, versions, signal }: RestoreOptions,
): Promise<number> {
  for (const part of ['etcd', 'pki', 'apiserver', 'kubeconfig'])
    await mkdir(join(folder, part), { recursive: true, mode: 0o700 });
  // Later than whatever a cluster has seen that writes less than once in a millisecond.
  const revision = BigInt(Math.max(Number(header.revision) + 1, Date.now()));
  const etcdData = join(folder, 'etcd');
  await beginAfter(revision, program, etcdData, signal);
  const count = await withEtcd(program, etcdData, signal, async (etcd, running) => {
    const first = await revisionOf(etcd, running);
    if (first < revision)
      throw new Failure('preflight', `this etcd begins at revision ${first} instead of ${revision}`);
    return writeAll(etcd, recordsOf(entries, folder), running);
  });
  await writeFile(join(folder, 'versions.json'), recordOf(versions), { mode: 0o600 });
  return count;
}

/** The records; each file is written when it comes. */
async function* recordsOf(entries: AsyncIterable<SnapshotEntry>, folder: string) {
  for await (const entry of entries) {
    if ('key' in entry) {
      yield entry;
      continue;
    }
    const path = join(folder, entry.file);
    await mkdir(dirname(path), { recursive: true, mode: 0o700 });
    const mode = /\.(?:crt|pub)$/.test(basename(path)) ? 0o644 : 0o600;
    await writeFile(path, Buffer.from(entry.content, 'base64'), { mode, flag: 'wx' });
    await syncToDisk(path);
  }
}
