import { execFile } from 'node:child_process';
import { Unhealthy } from '../../../probes/probe.ts';
import type { Dependency, Task } from '../../engine/component.ts';
import { childEnv } from '../../lib/childEnv.ts';
import { reasonOf } from '../../lib/errors.ts';
import { programFile } from '../../lib/paths.ts';
import type { NodeFacts } from '../facts.ts';
import {
  nameByTime,
  removeSnapshots,
  snapshotPath,
  storedSnapshots,
  timeInName,
} from '../snapshots/store.ts';
import type { StoredSnapshot } from '../snapshots/store.ts';

/** How the names begin of the snapshots that this component takes, and may remove. */
export const scheduledPrefix = 'scheduled-';

/** How often it looks whether one is due, and how long one may take, in ms. */
const liveTiming = { periodMs: 15_000, failureThreshold: 1, attemptTimeoutMs: 600_000 };

/** The shortest time between two attempts that fail, in ms: each reads the whole cluster. */
const againMs = 60_000;

/**
 * Takes a snapshot of the cluster as often as the config says, and removes the oldest. Not ready while the last attempt has failed. The
 * node is ready without it. Undefined without a schedule.
 */
export function snapshots(facts: NodeFacts, needs: readonly Dependency[]): Task | undefined {
  const { every, keep, dir = facts.paths.snapshots, passphraseFile } = facts.config.snapshots;
  if (every === undefined) return undefined;
  let failure: { readonly reason: string; readonly at: number } | undefined;
  const take = async (signal: AbortSignal): Promise<void> => {
    if (failure !== undefined && performance.now() - failure.at < againMs)
      throw new Unhealthy(failure.reason);
    const now = new Date();
    const plan = planOf(await storedSnapshots(dir), { every, keep, now });
    if (plan === undefined) return;
    const file = snapshotPath(dir, `${scheduledPrefix}${nameByTime(now)}`, passphraseFile !== undefined);
    const encrypted = passphraseFile === undefined ? [] : ['--passphrase-file', passphraseFile];
    const node = ['--name', facts.config.name, '--data-dir', facts.paths.data];
    try {
      await runSelf(['snapshot', 'save', ...node, '--output', file, ...encrypted], signal);
      failure = undefined;
    } catch (error) {
      failure = { reason: reasonOf(error), at: performance.now() };
      throw error;
    }
    await removeSnapshots(plan.remove);
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
      if (isWatched) await take(signal);
    },
    live: async (signal) => {
      isWatched = true;
      await take(signal);
    },
    liveTiming,
  };
}

interface Schedule {
  /** In ms. */
  readonly every: number;
  readonly keep: number;
  readonly now: Date;
}

/**
 * What to do now: undefined if no snapshot is due, or which ones to remove once it is taken. By the times in their names. Those of the
 * future were taken while the clock was ahead: they count for nothing, and go first.
 * @internal exported for tests
 */
export function planOf(
  stored: readonly StoredSnapshot[],
  { every, keep, now }: Schedule,
): { readonly remove: readonly StoredSnapshot[] } | undefined {
  const own = stored.flatMap((snapshot) => {
    const time = snapshot.name.startsWith(scheduledPrefix)
      ? timeInName(snapshot.name.slice(scheduledPrefix.length))
      : undefined;
    return time === undefined ? [] : [{ snapshot, time }];
  });
  const past = own.filter(({ time }) => time <= now.getTime());
  const last = Math.max(...past.map(({ time }) => time));
  if (now.getTime() - last < every) return undefined;
  const age = ({ time }: { readonly time: number }) =>
    time > now.getTime() ? Number.POSITIVE_INFINITY : -time;
  const oldestFirst = own.toSorted((a, b) => age(b) - age(a) || a.time - b.time);
  return { remove: oldestFirst.slice(0, Math.max(0, own.length + 1 - keep)).map(({ snapshot }) => snapshot) };
}

/**
 * Runs a command of this program: in a process of its own, because compressing and encrypting a cluster takes much time and memory.
 * Rejects with its message.
 */
async function runSelf(args: readonly string[], signal: AbortSignal): Promise<void> {
  const options = { signal, env: childEnv(process.env) };
  return new Promise((resolve, reject) => {
    execFile(process.execPath, [programFile('main'), ...args], options, (error, _stdout, stderr) => {
      if (error === null) return resolve();
      const line = stderr.split('\n').find((each) => each.startsWith('k8s-single: ')) ?? '';
      reject(new Unhealthy(line.replace('k8s-single: ', '') || error.message, { cause: error }));
    });
  });
}
