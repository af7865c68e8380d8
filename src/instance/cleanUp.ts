import { closeSync } from 'node:fs';
import { readdir, readFile, rm, rmdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { Unhealthy } from '../../probes/probe.ts';
import { until } from '../../probes/until.ts';
import { hasErrorCode } from '../lib/systemError.ts';
import { killNodeCgroup, removeNodeCgroup } from '../host/cgroup/nodeCgroup.ts';
import { rollBack } from '../host/undoJournal.ts';
import { otherMembers, readMember } from './clusterMembers.ts';
import { lockFile, recordEnd, takeLock } from './lock.ts';
import { stopOrphans } from './stopOrphans.ts';
import { mountsBelow } from '../lib/mountTable.ts';
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

/** Removes what a dead node left and stops what still runs of it, in order, but keeps the run folder with its lock. */
export async function cleanUpLeftovers(dirs: NodeDirs): Promise<void> {
  const { name, run, data } = dirs;
  await stopOrphans(name, run);
  await removeNodeCgroup(name);
  // Not everything below the data folder: a user may have mounted a disk there.
  for (const folder of [run, join(data, 'containerd'), join(data, 'kubelet')]) {
    const mountPoints = await mountsBelow(folder);
    if (mountPoints.length > 0)
      await runAll(...mountPoints.map((place): Argv => ['umount', '--no-mtab', place]));
  }
  await rollBack(run);
  await removeShimSockets(run);
  await removeInterface(dirs);
  for (const entry of await readdir(run).catch(() => [])) {
    if (join(run, entry) !== lockFile(run)) await rm(join(run, entry), { recursive: true });
  }
}

/** Where containerd's shims have their sockets, whatever its config says (socketRoot in its runtime/v2/shim). */
const shimSocket = /unix:\/\/(\/run\/containerd\/s\/[0-9a-f]{64})/;

/** Removes the sockets of shims that were killed. Each container's folder names its own, as a text or, since 2.0, in JSON. */
async function removeShimSockets(run: string): Promise<void> {
  const tasks = join(run, 'containerd', 'io.containerd.runtime.v2.task');
  const files = await readdir(tasks, { recursive: true }).catch(() => []);
  for (const file of files.filter((name) => /^[^/]+\/[^/]+\/(address|bootstrap\.json)$/.test(name))) {
    const socket = shimSocket.exec(await readFile(join(tasks, file), 'utf8'))?.[1];
    if (socket !== undefined) await rm(socket, { force: true });
  }
}

/** Does {@link cleanUpLeftovers} and removes the run folder. The caller holds the lock. */
export async function cleanUp(dirs: NodeDirs): Promise<void> {
  await recordEnd(dirs.run);
  await cleanUpLeftovers(dirs);
  await rm(lockFile(dirs.run), { force: true });
  for (const folder of [dirs.run, dirname(dirs.run)]) {
    await rmdir(folder).catch((error: unknown) => {
      // Another node, or the next one of this name, is in it already.
      if (!hasErrorCode(error, 'ENOENT', 'ENOTEMPTY')) throw error;
    });
  }
}

/** The kernel removes a network namespace some ms after its last process. */
const kernelMs = 500;

/**
 * Waits until the kernel has removed the node's end of the link, which is in its network namespace, and with it the host's
 * end. Somebody's process in that namespace, such as tcpdump, keeps it: then removes the host's end, and with it the pair. The
 * network of a cluster goes with its last node, and is only waited for: one that starts at this moment may use it already.
 */
async function removeInterface({ name: node, run }: NodeDirs): Promise<void> {
  const name = await readFile(join(run, 'interface'), 'utf8').catch(() => undefined);
  if (name === undefined) return;
  const cluster = readMember(run)?.cluster;
  if (cluster !== undefined && otherMembers(cluster, run).length > 0) return;
  // Another node may have got the name. Our own has no alias yet if its start was interrupted.
  const alias = await readFile(join('/sys/class/net', name, 'ifalias'), 'utf8').catch(() => '');
  const own = cluster === undefined ? interfaceAlias(node) : clusterAlias(cluster);
  if (alias.trim() !== '' && alias.trim() !== own) return;
  // Not by /sys, which may be mounted for another network namespace than that of this process.
  const exists = async (): Promise<boolean> => {
    const lines = (await readFile('/proc/net/dev', 'utf8')).split('\n');
    return lines.some((line) => line.trimStart().startsWith(`${name}:`));
  };
  const gone = async (): Promise<void> => {
    if (await exists()) throw new Unhealthy(`interface ${name} is still there`);
  };
  const never = new AbortController().signal;
  await until(gone, { timeoutMs: kernelMs }, never).catch(async () => {
    if (cluster !== undefined) return;
    await runAll(['ip', 'link', 'delete', 'dev', name]).catch(async (error: unknown) => {
      // The kernel may have been quicker.
      if (await exists()) throw error;
    });
  });
}

/** The alias of the host's end of the link to a node. */
export function interfaceAlias(node: string): string {
  return `k8s-single node ${node}`;
}

/** The alias of the host's end of the link to the bridge of a cluster. */
export function clusterAlias(cluster: string): string {
  return `k8s-single cluster ${cluster}`;
}
