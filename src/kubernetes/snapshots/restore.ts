import { existsSync } from 'node:fs';
import { mkdir, rename, rm, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { syncToDisk } from '../../lib/atomicFile.ts';
import { Failure } from '../../lib/errors.ts';
import { mountTable } from '../../lib/mountTable.ts';
import { recordOf } from '../dataVersions.ts';
import type { Versions } from '../dataVersions.ts';
import { completeRestore, foldersOf, onDisk, restoredParts } from './completeRestore.ts';
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
  const { restore, scratch } = foldersOf(data);
  await completeRestore(data);
  assertNotMounted(data);
  return onDisk(data, 'nothing was changed: free some space, and try again', async () => {
    await rm(scratch, { recursive: true, force: true });
    try {
      const objects = await build(scratch, { header, entries }, options);
      await rename(scratch, restore);
      await syncToDisk(data);
      await completeRestore(data);
      return { objects };
    } finally {
      await rm(scratch, { recursive: true, force: true });
    }
  });
}

/**
 * As {@link restoreSnapshot} of a node that runs: all is made, and takes its place when the node starts the next time.
 * @throws Failure `preflight` also while another restore is under way
 */
export async function prepareRestore(
  { header, entries }: { readonly header: SnapshotHeader; readonly entries: AsyncIterable<SnapshotEntry> },
  options: RestoreOptions,
): Promise<{ readonly objects: number }> {
  const { data, present } = options;
  const { restore, scratch } = foldersOf(data);
  assertNotMounted(data);
  return onDisk(data, 'nothing was changed: free some space, and try again', async () => {
    if (existsSync(restore) || existsSync(scratch))
      throw new Failure('preflight', `another restore is under way, or was interrupted, in ${data}`, {
        hint: 'wait for it; what is left of one goes when the node starts again',
      });
    try {
      // It writes on until it stops.
      const later = present === undefined ? undefined : present + 1_000_000n;
      const objects = await build(scratch, { header, entries }, { ...options, present: later });
      await rename(scratch, restore);
      await syncToDisk(data);
      return { objects };
    } finally {
      await rm(scratch, { recursive: true, force: true });
    }
  });
}

/** @throws Failure `preflight` if something that is to be replaced cannot be moved */
function assertNotMounted(data: string): void {
  const places = new Set(restoredParts.map((part) => join(data, part)));
  const mount = mountTable().find(({ mountPoint }) => places.has(mountPoint));
  if (mount === undefined) return;
  throw new Failure('preflight', `${mount.mountPoint} is mounted there, and cannot be replaced`, {
    hint: `unmount it, restore, and put what is in it back: umount ${mount.mountPoint}`,
  });
}

interface RestoreOptions {
  /** The node's data folder. */
  readonly data: string;
  readonly program: EtcdProgram;
  /** Of the programs that will run on it. */
  readonly versions: Versions;
  /** The revision of the data that is replaced, if that is known. */
  readonly present: bigint | undefined;
  readonly signal: AbortSignal;
}

/** Makes all parts in a folder. Resolves with the number of objects. */
async function build(
  folder: string,
  { header, entries }: { readonly header: SnapshotHeader; readonly entries: AsyncIterable<SnapshotEntry> },
  { program, versions, present = 0n, signal }: RestoreOptions,
): Promise<number> {
  const made = ['etcd', 'pki', 'apiserver', 'kubeconfig', 'addons'].map((part) => join(folder, part));
  for (const part of made) await mkdir(part, { recursive: true, mode: 0o700 });
  // Later than what clients have seen: on this machine, at the time of the snapshot, and whatever another cluster has made of it since
  // that writes less than once in a millisecond.
  const revision =
    [BigInt(header.revision), present, BigInt(Date.now())].reduce((a, b) => (a > b ? a : b)) + 1n;
  const etcdData = join(folder, 'etcd');
  await beginAfter(revision, program, etcdData, signal);
  const count = await withEtcd(program, etcdData, signal, async (etcd, running) => {
    const first = await revisionOf(etcd, running);
    if (first < revision)
      throw new Failure('preflight', `this etcd begins at revision ${first} instead of ${revision}`);
    return writeAll(etcd, recordsOf(entries, folder), running);
  });
  await writeFile(join(folder, 'versions.json'), recordOf(versions), { mode: 0o600 });
  for (const path of [join(folder, 'versions.json'), ...made, folder]) await syncToDisk(path);
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
