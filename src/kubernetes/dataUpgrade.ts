import { constants, existsSync } from 'node:fs';
import { copyFile, mkdir, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parseJson, textAt } from '../../probes/transport/json.ts';
import { note } from '../host/checkResult.ts';
import type { CheckResult } from '../host/checkResult.ts';
import { diskSpace } from '../host/diskSpace.ts';
import { syncToDisk } from '../lib/atomicFile.ts';
import { Failure, reasonOf } from '../lib/errors.ts';
import { nodePaths } from '../lib/paths.ts';
import { copyTree, moveTree } from '../lib/tree.ts';
import { hasErrorCode, isSystemError } from '../lib/systemError.ts';
import { formatBytes } from '../lib/text/text.ts';
import { assertDataFits, readRecord, recordOf, upgradeOf, writeRecord } from './dataVersions.ts';
import type { DataOwner, Versions } from './dataVersions.ts';

/**
 * An upgrade of a data folder to the next minor version of Kubernetes or etcd, as states of the disk. The caller holds the
 * lock of the folder, and no etcd runs on it unless the state is "begun".
 *
 *     settled (old) ---------- rename upgrade.tmp to upgrade ----------> begun
 *       |   ^  a whole copy of etcd's folder is in upgrade.tmp             |
 *       |   |                                                              | the new version runs, and is checked
 *       |   +-- put back: replace etcd's folder by rename <----------------+ failed, stopped, or power cut
 *       |                                                                  |
 *       v                                                                  v
 *     settled (new) <--- rename upgrade to upgrade.tmp, remove --- done: versions.json has the new versions
 *
 * Each arrow is one rename, after an fsync of what it puts in force: between two of them a power cut changes no state.
 * `upgrade.tmp` is scratch: whoever finds it removes it. The state is read from the disk:
 *
 *     no copy in upgrade         settled
 *     a copy, versions.json new  done
 *     a copy, otherwise          begun
 */
export interface DataUpgrade {
  /** Such as `Kubernetes 1.29.5 to 1.30.1`. */
  readonly description: string;
  /** The versions that ran before, by name. */
  readonly from: Versions;
  /** Whether neither {@link complete} nor {@link undo} has been done. */
  readonly isBegun: boolean;
  /** From "begun" to "settled (new)": call it when the new version is known to work. */
  complete(): Promise<void>;
  /** From "begun" to "settled (old)", when etcd has ended. Does nothing after {@link complete}. Resolves with whether it did. */
  undo(): Promise<boolean>;
}

/** What the start on a data folder has to know of it. */
export interface OpenData {
  /** Set if the versions are an upgrade of the data, which is "begun". */
  readonly upgrade?: DataUpgrade;
  /** What to say of an upgrade that was interrupted by a power cut, and has been undone. */
  readonly undone?: CheckResult;
}

export interface OpenOptions {
  /** The space in MiB that the copy must leave free. Default: see {@link diskSpace}. */
  readonly minFreeMiB?: number | undefined;
  readonly signal: AbortSignal;
}

/**
 * Call it before anything of these versions starts on the node's data folder. Finishes what a power cut has interrupted,
 * checks that the versions fit, and begins an upgrade if they are one.
 * @throws Failure `preflight` when they do not fit, when there is no space for the copy, or when the disk does not take a change;
 *   the signal's reason
 */
export async function openData(node: DataOwner, versions: Versions, options: OpenOptions): Promise<OpenData> {
  const places = placesOf(node);
  const undone = await onDisk(places, async () => recover(places));
  assertDataFits(node, versions);
  const description = upgradeOf(node, versions);
  const result = undone === undefined ? {} : { undone: undoneResult(undone) };
  if (description === undefined) return result;
  const from = readRecord(places.data) ?? '';
  await onDisk(places, async () => begin(places, { description, from, to: recordOf(versions) }, options));
  return { ...result, upgrade: begunUpgrade(places, description, { from, to: recordOf(versions) }) };
}

/** Whether {@link openData} would change the data, which no etcd may use then. */
export function isUpgradeDue(node: DataOwner, versions: Versions): boolean {
  const { upgrade, scratch } = placesOf(node);
  return existsSync(upgrade) || existsSync(scratch) || upgradeOf(node, versions) !== undefined;
}

/**
 * Finishes an upgrade that a power cut has interrupted, without a start. The caller holds the lock of the folder.
 * @throws Failure `preflight` when the disk does not take it
 */
export async function settleUpgrade(node: DataOwner): Promise<void> {
  const places = placesOf(node);
  await onDisk(places, async () => recover(places));
}

/** @throws Failure `preflight` for an error of the disk: the next start goes on from the state that is there then */
async function onDisk<T>({ data }: Places, work: () => Promise<T>): Promise<T> {
  return work().catch((error: unknown) => {
    if (!isSystemError(error)) throw error;
    throw new Failure('preflight', `the upgrade of the data in ${data} cannot go on: ${reasonOf(error)}`, {
      hint: 'free some space, or remove what is in the way: the next start goes on from there, and nothing is lost',
      cause: error,
    });
  });
}

function undoneResult(description: string): CheckResult {
  return note(
    'data',
    `the upgrade of ${description} was interrupted before it was checked: the data is as before`,
    'nothing: this start goes on from there',
  );
}

/** What `upgrade/plan.json` has. */
interface Plan {
  readonly description: string;
  /** The texts of versions.json. */
  readonly from: string;
  readonly to: string;
}

interface Places {
  readonly data: string;
  readonly etcd: string;
  /** What etcd keeps: the database and the write-ahead log. */
  readonly member: string;
  readonly upgrade: string;
  readonly copy: string;
  readonly plan: string;
  readonly scratch: string;
}

function placesOf({ name, dataDir }: DataOwner): Places {
  const { data, etcd } = nodePaths(name, dataDir);
  const upgrade = join(data, 'upgrade');
  return {
    data,
    etcd,
    member: join(etcd, 'member'),
    upgrade,
    copy: join(upgrade, 'member'),
    plan: join(upgrade, 'plan.json'),
    scratch: join(data, 'upgrade.tmp'),
  };
}

function begunUpgrade(
  places: Places,
  description: string,
  { from, to }: Omit<Plan, 'description'>,
): DataUpgrade {
  let isBegun = true;
  return {
    description,
    from: Object.fromEntries(Object.entries(parseJson(from) ?? {})),
    get isBegun() {
      return isBegun;
    },
    complete: async () => {
      if (!isBegun) return;
      await onDisk(places, async () => {
        writeRecord(places.data, to);
        isBegun = false;
        await discard(places);
      });
    },
    undo: async () => {
      if (!isBegun) return false;
      await onDisk(places, async () => putBack(places, from));
      isBegun = false;
      return true;
    },
  };
}

/** Goes on to a settled state. Resolves with the description of an upgrade that was undone. */
async function recover(places: Places): Promise<string | undefined> {
  const { data, copy, plan: file, scratch } = places;
  if (existsSync(scratch)) await rm(scratch, { recursive: true, force: true });
  // Without a plan it is a user's own folder.
  if (!existsSync(file)) return undefined;
  const plan = parseJson(await readFile(file, 'utf8').catch(() => ''));
  const isDamaged = textAt(plan, 'to') === '';
  if (isDamaged && !existsSync(copy)) return undefined;
  if (isDamaged) throw damagedPlan(places);
  const isDone = readRecord(data) === textAt(plan, 'to');
  if (isDone || !existsSync(copy)) {
    await discard(places);
    return undefined;
  }
  await putBack(places, textAt(plan, 'from'));
  return textAt(plan, 'description');
}

/** Neither state may be assumed: one of them loses what the cluster has become since. */
function damagedPlan({ plan, copy, member, upgrade }: Places): Failure {
  return new Failure(
    'preflight',
    `${plan} is damaged: it tells whether the upgrade of this data was complete`,
    {
      hint:
        `remove ${upgrade} if the new version was in use; ` +
        `to go back to the data before the upgrade, move ${copy} to the place of ${member} first`,
    },
  );
}

/** From "settled" to "begun". */
async function begin(places: Places, plan: Plan, { minFreeMiB, signal }: OpenOptions): Promise<void> {
  const { data, member, upgrade, scratch } = places;
  await mkdir(scratch, { mode: 0o700 });
  try {
    if (!(await canClone(member, scratch))) await assertSpace(places, minFreeMiB);
    await copyTree(member, join(scratch, 'member'), signal);
    await writeFile(join(scratch, 'plan.json'), JSON.stringify(plan), { mode: 0o600 });
    await syncToDisk(join(scratch, 'plan.json'));
    await syncToDisk(scratch);
    await rename(scratch, upgrade);
  } catch (error) {
    await rm(scratch, { recursive: true, force: true });
    if (!hasErrorCode(error, 'ENOSPC', 'EDQUOT')) throw error;
    throw noSpace(`the disk of ${data} became full`, error);
  }
  await syncToDisk(data);
}

/** From "begun" to "settled (old)". Can be repeated after a power cut at any point. */
async function putBack(places: Places, from: string): Promise<void> {
  const { data, etcd, member, copy } = places;
  if (from !== '') writeRecord(data, from);
  await mkdir(etcd, { recursive: true, mode: 0o700 });
  await rm(member, { recursive: true, force: true });
  // A disk may be mounted on etcd's folder.
  await moveTree(copy, member);
  await syncToDisk(etcd);
  await discard(places);
}

/** Removes the copy. By a rename first: a part of a copy is never taken for a whole one. */
async function discard({ data, upgrade, scratch }: Places): Promise<void> {
  await rm(scratch, { recursive: true, force: true });
  await rename(upgrade, scratch);
  await syncToDisk(data);
  await rm(scratch, { recursive: true, force: true });
}

/** Whether files below `from` can be copied into `to` by reference, as on btrfs and XFS: that takes no space. */
async function canClone(from: string, to: string): Promise<boolean> {
  const [file] = await filesBelow(from);
  if (file === undefined) return true;
  const clone = join(to, 'clone');
  try {
    await copyFile(file, clone, constants.COPYFILE_FICLONE_FORCE);
    return true;
  } catch {
    // Each file system and kernel has its own error for that.
    return false;
  } finally {
    await rm(clone, { force: true });
  }
}

async function assertSpace({ data, member }: Places, minFreeMiB: number | undefined): Promise<void> {
  const sizes = await Promise.all((await filesBelow(member)).map(async (file) => (await stat(file)).size));
  const needed = sizes.reduce((sum, size) => sum + size, 0);
  const { free, minFree } = diskSpace(data, minFreeMiB);
  if (free >= needed + minFree) return;
  const limit = minFree > 0 ? `, of which ${formatBytes(minFree)} must stay free` : '';
  throw noSpace(`it takes ${formatBytes(needed)}, and ${formatBytes(free)} are free for ${data}${limit}`);
}

function noSpace(reason: string, cause?: unknown): Failure {
  return new Failure(
    'preflight',
    `no room for a copy of etcd's data, which an upgrade makes first: ${reason}`,
    {
      hint: 'free some, or start the version that ran before: nothing was changed',
      cause,
    },
  );
}

/** The files below a folder, through symbolic links: a user may have put the write-ahead log on another disk. */
async function filesBelow(folder: string): Promise<string[]> {
  const paths = (await readdir(folder)).map((name) => join(folder, name));
  const found = await Promise.all(
    paths.map(async (path) => ((await stat(path)).isDirectory() ? filesBelow(path) : [path])),
  );
  return found.flat();
}
