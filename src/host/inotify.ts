import { readdirSync, readFileSync, readlinkSync, statSync, watch } from 'node:fs';
import { join } from 'node:path';
import { hasErrorCode } from '../lib/systemError.ts';
import { problem, toFailure } from './checkResult.ts';
import type { CheckResult } from './checkResult.ts';

/** What kubelet and containerd take (measured: 6), and some for pods. */
const instancesOfNode = 10;

/** To which direct mode raises the limit: kind's known issues ("Pod errors due to too many open files"). */
export const enoughInstances = 512;

const remedy = 'on the host: sysctl -w fs.inotify.max_user_instances=1024; or end programs that watch files';

/**
 * Creates an inotify instance, which lives as long as this process: without one, kubelet and containerd do not start. Counting
 * those in use would take too long for a start.
 * @throws Failure `preflight` when none is left
 */
export function assertInotifyLeft(): void {
  try {
    watch('/').close();
  } catch (error) {
    if (hasErrorCode(error, 'EMFILE')) throw toFailure(noneLeft('no inotify instance of this user is left'));
    if (hasErrorCode(error, 'ENOSPC')) throw toFailure(noWatchLeft());
    // Whatever else it is, the kubelet has the better reason.
  }
}

/** A problem if too few instances are left for a node. `isDirect`: `up` raises a low limit. `undefined` if there are enough. */
export function checkInotifyLeft(isDirect: boolean): CheckResult | undefined {
  // The second is that of this user namespace.
  const limits = ['fs/inotify/max_user_instances', 'user/max_inotify_instances'].map((name) =>
    Number(readFileSync(join('/proc/sys', name), 'utf8')),
  );
  const limit = Math.min(...limits);
  const { used, most } = instancesInUse();
  const left = (isDirect ? Math.max(limit, enoughInstances) : limit) - used;
  if (left >= instancesOfNode) return undefined;
  return noneLeft(
    `${Math.max(left, 0)} instances of fs.inotify.max_user_instances ${limit} are left, and a node takes ` +
      `${instancesOfNode}; pid ${most.pid} (${commandOf(most.pid)}) has ${most.count}`,
  );
}

function noneLeft(message: string): CheckResult {
  return problem('inotify', message, remedy);
}

const watchesRemedy =
  'on the host: sysctl -w fs.inotify.max_user_watches=524288; or end programs that watch files';

function noWatchLeft(): CheckResult {
  return problem('inotify', 'no inotify watch of this user is left', watchesRemedy);
}

/**
 * What to do if a program failed because nothing of inotify is left. EMFILE and ENOSPC of inotify_init(2) and
 * inotify_add_watch(2) read as if descriptors or the disk were used up. `undefined` for another reason.
 */
export function inotifyRemedy(reason: string): string | undefined {
  if (!/inotify|fsnotify|cadvisor|\bwatch(?:er)?\b/i.test(reason)) return undefined;
  if (/too many open files/i.test(reason)) return remedy;
  return /no space left on device/i.test(reason) ? watchesRemedy : undefined;
}

interface Holder {
  readonly pid: string;
  readonly count: number;
}

/** The instances of this user, by the descriptors of its processes, and the process that has most. */
function instancesInUse(): { used: number; most: Holder } {
  const user = process.geteuid?.() ?? 0;
  const counts = readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map((pid): Holder => ({ pid, count: instancesOf(pid, user) }));
  const used = counts.reduce((sum, { count }) => sum + count, 0);
  return { used, most: counts.reduce((most, each) => (each.count > most.count ? each : most)) };
}

function instancesOf(pid: string, user: number): number {
  try {
    if (statSync(`/proc/${pid}`).uid !== user) return 0;
    return readdirSync(`/proc/${pid}/fd`).filter((fd) => isInotify(`/proc/${pid}/fd/${fd}`)).length;
  } catch {
    // It has just ended.
    return 0;
  }
}

function isInotify(descriptor: string): boolean {
  try {
    return readlinkSync(descriptor) === 'anon_inode:inotify';
  } catch {
    return false;
  }
}

function commandOf(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/comm`, 'utf8').trim();
  } catch {
    return 'ended';
  }
}
