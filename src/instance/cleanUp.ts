import { closeSync, existsSync } from 'node:fs';
import { readdir, readFile, rm, rmdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { Unhealthy } from '../../probes/probe.ts';
import { until } from '../../probes/until.ts';
import { hasErrorCode } from '../host/cgroup/cgroupFiles.ts';
import { killNodeCgroup, removeNodeCgroup } from '../host/cgroup/nodeCgroup.ts';
import { rollBack } from '../host/undoJournal.ts';
import { lockFile, takeLock } from './lock.ts';
import { mountsBelow } from '../host/mountTable.ts';
import { run as runAll } from '../host/tool.ts';
import type { Argv } from '../host/tool.ts';

/** What a node leaves on the machine if nobody tidies up. */
export interface NodeDirs {
  readonly name: string;
  /** `/run/k8s-single/<name>`: removed with all that is in it. */
  readonly run: string;
  /** Kept; only what kubelet and containerd have mounted below it goes. */
  readonly data: string;
}

/**
 * Ends a node by force and removes every trace: for one whose supervisor does not answer. Resolves when nothing is
 * left, at once when there was nothing; rejects with what would not go. Times out after `timeoutMs`.
 */
export async function forceCleanUp(
  traces: NodeDirs,
  timeoutMs = 20_000,
  signal: AbortSignal = new AbortController().signal,
): Promise<void> {
  let lock: number | undefined;
  const ended = async (): Promise<void> => {
    // A look that took too long may have got it all the same.
    if (lock !== undefined) return;
    await killNodeCgroup(traces.name);
    lock = await takeLock(traces.run);
    if (lock === undefined) throw new Unhealthy(`node ${traces.name} is still being taken down`);
  };
  await until(ended, { timeoutMs }, signal);
  try {
    await cleanUp(traces);
  } finally {
    if (lock !== undefined) closeSync(lock);
  }
}

/** Removes what a dead node left and ends what lives on of it, but keeps the run folder and the lock in it. */
export async function cleanUpLeftovers({ name, run, data }: NodeDirs): Promise<void> {
  await removeNodeCgroup(name);
  // Not all that is below the data folder: someone may have mounted a disk of his own there.
  for (const folder of [run, join(data, 'containerd'), join(data, 'kubelet')]) {
    const mountPoints = await mountsBelow(folder);
    if (mountPoints.length > 0)
      await runAll(...mountPoints.map((place): Argv => ['umount', '--no-mtab', place]));
  }
  await rollBack(run);
  await interfaceGone(run);
  for (const entry of await readdir(run).catch(() => [])) {
    if (join(run, entry) !== lockFile(run)) await rm(join(run, entry), { recursive: true });
  }
}

/** All that {@link cleanUpLeftovers} does, and the run folder. Call it with the lock in hand. */
export async function cleanUp(traces: NodeDirs): Promise<void> {
  await cleanUpLeftovers(traces);
  await rm(lockFile(traces.run), { force: true });
  for (const folder of [traces.run, dirname(traces.run)]) {
    await rmdir(folder).catch((error: unknown) => {
      // Someone else's node, or the next of this name, is in it already.
      if (!hasErrorCode(error, 'ENOENT', 'ENOTEMPTY')) throw error;
    });
  }
}

/** The kernel takes a network namespace apart in the background, some ms after its last process. */
async function interfaceGone(run: string): Promise<void> {
  const name = await readFile(join(run, 'interface'), 'utf8').catch(() => undefined);
  if (name === undefined) return;
  const gone = async (): Promise<void> => {
    if (existsSync(join('/sys/class/net', name))) throw new Unhealthy(`interface ${name} is still there`);
  };
  await until(gone, { timeoutMs: 10_000 }, new AbortController().signal);
}
