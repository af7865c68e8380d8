import type { Dependency, Task } from '../../engine/component.ts';
import type { NodeFacts } from '../facts.ts';
import { etcdAccess } from '../kubeconfig/clients.ts';
import { readPassphrase } from '../snapshots/passphrase.ts';
import {
  nameByTime,
  removeSnapshots,
  snapshotPath,
  storedSnapshots,
  writeSnapshot,
} from '../snapshots/snapshotFile.ts';
import { snapshotLines } from '../snapshots/snapshotLines.ts';

/** How the names begin of the snapshots that this component has taken, and may remove. */
const prefix = 'scheduled-';

/** How often it looks whether one is due, and how long one may take, in ms. */
const liveTiming = { periodMs: 15_000, failureThreshold: 1, attemptTimeoutMs: 600_000 };

/**
 * Takes a snapshot of the cluster as often as the config says, and removes the oldest. Not ready while the last attempt has failed. The
 * node is ready without it. Undefined without a schedule.
 */
export function snapshots(facts: NodeFacts, needs: readonly Dependency[]): Task | undefined {
  const { every, keep, dir = facts.paths.snapshots, passphraseFile } = facts.config.snapshots;
  if (every === undefined) return undefined;
  const source = { node: facts.config.name, data: facts.paths.data, etcd: etcdAccess(facts) };
  const takeIfDue = async (signal: AbortSignal): Promise<void> => {
    const stored = (await storedSnapshots(dir)).filter(({ name }) => name.startsWith(prefix));
    const now = new Date();
    const ageMs = now.getTime() - (stored.at(-1)?.time.getTime() ?? 0);
    // After a clock that was ahead, the last one is of the future.
    if (ageMs >= 0 && ageMs < every) return;
    const passphrase = passphraseFile === undefined ? undefined : readPassphrase(passphraseFile);
    const file = snapshotPath(dir, `${prefix}${nameByTime(now)}`, passphrase !== undefined);
    await writeSnapshot(file, snapshotLines(source, signal), passphrase, signal);
    await removeSnapshots(stored.slice(0, Math.max(0, stored.length + 1 - keep)));
  };
  let isWatched = false;
  return {
    kind: 'task',
    name: 'snapshots',
    needs,
    timeoutMs: Number.POSITIVE_INFINITY,
    optional: true,
    restart: { onFailure: 'keepOthers' },
    // The first one is taken by the probe: a task that fails at its start is given up.
    run: async (signal) => {
      if (isWatched) await takeIfDue(signal);
    },
    live: async (signal) => {
      isWatched = true;
      await takeIfDue(signal);
    },
    liveTiming,
  };
}
