import { Unhealthy } from '../../../probes/probe.ts';
import { watch } from '../../../probes/watch.ts';
import { diskSpace } from '../../host/diskSpace.ts';
import { Failure, reasonOf } from '../../lib/errors.ts';
import { formatBytes } from '../../lib/text/text.ts';

/** A disk that something may fill up to a limit. */
export interface GuardedDisk {
  readonly folder: string;
  /** The limit of the node's config: see `kubelet.minFreeMiB`. */
  readonly minFreeMiB?: number | undefined;
}

/** What is left with a limit of 0, in bytes: etcd stops when it can write no more. */
const minFreeOfEtcd = 128 * 2 ** 20;

/** How often it looks, in ms. */
const periodMs = 200;

/** What a quick disk may take until it has looked and the work has stopped, in bytes. */
const margin = 512 * 2 ** 20;

/**
 * Runs `work` with a signal that aborts when it leaves too little free space: not much more than the limit at which the kubelet removes
 * images and evicts pods, or half of what was free if that was little. A layer of a few KB may stand for terabytes.
 * @throws Failure `preflight` then
 */
export async function withoutFillingDisk<Result>(
  disk: GuardedDisk | undefined,
  signal: AbortSignal | undefined,
  work: (signal: AbortSignal) => Promise<Result>,
): Promise<Result> {
  const stop = new AbortController();
  const inner = signal === undefined ? stop.signal : AbortSignal.any([signal, stop.signal]);
  if (disk === undefined) return work(inner);
  const { folder, minFreeMiB } = disk;
  const { free, minFree } = diskSpace(folder, minFreeMiB);
  const limit = Math.min(Math.max(minFree, minFreeOfEtcd) + margin, free / 2);
  const enough = async (): Promise<void> => {
    if (diskSpace(folder).free < limit) throw new Unhealthy('the disk is full');
  };
  const done = new AbortController();
  const noRoom = (cause?: unknown): Failure =>
    new Failure(
      'preflight',
      `no room: ${formatBytes(free)} were free for ${folder}, of which ${formatBytes(limit)} must stay free`,
      { hint: 'free some space; what was imported of it is removed again', cause },
    );
  const watching = watch(enough, { periodMs, failureThreshold: 1 }, done.signal).then(
    () => stop.abort(noRoom()),
    () => undefined,
  );
  try {
    return await work(inner);
  } catch (error) {
    // A small disk is full sooner than that is noticed.
    if (/no space left on device|disk quota exceeded/.test(reasonOf(error))) throw noRoom(error);
    throw error;
  } finally {
    done.abort();
    await watching;
  }
}
