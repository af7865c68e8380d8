import { existsSync, readFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { Failure, reasonOf } from '../lib/errors.ts';
import { nodePaths } from '../lib/paths.ts';
import { cleanUp } from './cleanUp.ts';
import { isHeld, startingLine } from './lifeState.ts';
import { lockFile } from './lock.ts';
import { readNodeFile } from './nodeFile.ts';
import { NodeLocks, pidNamespace } from './nodeLocks.ts';
import { isOrphaned, mayOutlive } from './runningComponents.ts';
import { nodeNamesIn } from './nodeNames.ts';

/**
 * Removes what nodes have left of which every process was killed, so that none could clean up: run folder, cgroup, mounts,
 * interface. Their data stays. `except`: the node of this command, which cares for itself. Resolves with a line for each node;
 * usually there is none, and this takes less than 1 ms.
 */
export async function removeDeadNodes(except?: string): Promise<string[]> {
  const names = nodeNamesIn(dirname(nodePaths('any').run)).filter((name) => name !== except);
  const removals = names.map(async (name) => {
    try {
      return (await removeIfDead(name))
        ? `removed what node ${name} has left: all its processes were killed`
        : [];
    } catch (error) {
      // Started in this moment.
      if (error instanceof Failure && error.code === 'preflight') return [];
      return `node ${name} has left something that cannot be removed: ${reasonOf(error)}`;
    }
  });
  return (await Promise.all(removals)).flat();
}

/** {@link removeDeadNodes}, and prints what it did. Never rejects. */
export async function reportDeadNodes(except?: string): Promise<void> {
  for (const line of await removeDeadNodes(except)) console.error(line);
}

async function removeIfDead(name: string): Promise<boolean> {
  const { run } = nodePaths(name);
  const lock = lockFile(run);
  // Without a content it is being started at this moment.
  if (!existsSync(lock) || readFileSync(lock, 'utf8') === '' || (await isHeld(lock))) return false;
  const text = readFileSync(lock, 'utf8');
  if (mayOutlive(run) && mayBeInvisible(text)) return false;
  // The next supervisor takes them over.
  if (await isOrphaned(name)) return false;
  const recorded = startingLine.test(text) ? undefined : text.split('\n')[1];
  const dataDir = recorded || (await readNodeFile(name).catch(() => undefined))?.dataDir;
  const { data } = nodePaths(name, dataDir);
  const locks = new NodeLocks();
  await locks.acquireToCleanUp(name, run);
  try {
    await cleanUp({ name, run, data });
  } finally {
    locks.handOver();
  }
  return true;
}

/** The initial PID namespace, from which every process is seen: PROC_PID_INIT_INO of the kernel's include/linux/proc_ns.h. */
const initialPidNamespace = 'pid:[4026531836]';

/** Whether the last supervisor, whose lock has this text, ran in a PID namespace of which nothing may be seen from here. */
function mayBeInvisible(lockText: string): boolean {
  const recorded = /pid:\[\d+\]/.exec(lockText)?.[0];
  return recorded !== undefined && ![recorded, initialPidNamespace].includes(pidNamespace());
}
