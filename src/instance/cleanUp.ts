import { closeSync, existsSync } from 'node:fs';
import { readdir, readFile, rm, rmdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { Unhealthy } from '../../probes/probe.ts';
import { until } from '../../probes/until.ts';
import { hasErrorCode } from '../lib/systemError.ts';
import { killNodeCgroup, removeNodeCgroup } from '../host/cgroup/nodeCgroup.ts';
import { rollBack } from '../host/undoJournal.ts';
import { lockFile, takeLock } from './lock.ts';
import { mountsBelow } from '../host/mountTable.ts';
import { run as runAll } from '../host/tool.ts';
import type { Argv } from '../host/tool.ts';

/** The name and the folders of a node, by which everything it leaves on the machine can be found. */
export interface NodeDirs {
  readonly name: string;
  /** `/run/k8s-single/<name>`: removed with its contents. */
  readonly run: string;
  /** Kept, except for the mounts of kubelet and containerd below it. */
  readonly data: string;
}

/**
 * Kills a node whose supervisor does not answer, and removes everything it left. Resolves when nothing is left.
 * @throws DeadlineExceeded after `timeoutMs`, with what could not be removed
 */
export async function forceCleanUp(
  dirs: NodeDirs,
  timeoutMs = 20_000,
  signal: AbortSignal = new AbortController().signal,
): Promise<void> {
  let lock: number | undefined;
  const ended = async (): Promise<void> => {
    // An attempt that timed out may have taken it.
    if (lock !== undefined) return;
    await killNodeCgroup(dirs.name);
    lock = await takeLock(dirs.run);
    if (lock === undefined) throw new Unhealthy(`node ${dirs.name} is still being taken down`);
  };
  await until(ended, { timeoutMs }, signal);
  try {
    await cleanUp(dirs);
  } finally {
    if (lock !== undefined) closeSync(lock);
  }
}

/** Removes what a dead node left and kills what still runs of it, but keeps the run folder with its lock. */
export async function cleanUpLeftovers({ name, run, data }: NodeDirs): Promise<void> {
  await removeNodeCgroup(name);
  // Not everything below the data folder: a user may have mounted a disk there.
  for (const folder of [run, join(data, 'containerd'), join(data, 'kubelet')]) {
    const mountPoints = await mountsBelow(folder);
    if (mountPoints.length > 0)
      await runAll(...mountPoints.map((place): Argv => ['umount', '--no-mtab', place]));
  }
  await rollBack(run);
  await waitUntilInterfaceGone(run);
  for (const entry of await readdir(run).catch(() => [])) {
    if (join(run, entry) !== lockFile(run)) await rm(join(run, entry), { recursive: true });
  }
}

/** Does {@link cleanUpLeftovers} and removes the run folder. The caller holds the lock. */
export async function cleanUp(dirs: NodeDirs): Promise<void> {
  await cleanUpLeftovers(dirs);
  await rm(lockFile(dirs.run), { force: true });
  for (const folder of [dirs.run, dirname(dirs.run)]) {
    await rmdir(folder).catch((error: unknown) => {
      // Another node, or the next one of this name, is in it already.
      if (!hasErrorCode(error, 'ENOENT', 'ENOTEMPTY')) throw error;
    });
  }
}

/** The kernel removes a network namespace in the background, some ms after its last process. */
async function waitUntilInterfaceGone(run: string): Promise<void> {
  const name = await readFile(join(run, 'interface'), 'utf8').catch(() => undefined);
  if (name === undefined) return;
  const gone = async (): Promise<void> => {
    if (existsSync(join('/sys/class/net', name))) throw new Unhealthy(`interface ${name} is still there`);
  };
  await until(gone, { timeoutMs: 10_000 }, new AbortController().signal);
}
