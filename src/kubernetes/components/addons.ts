import { mkdirSync } from 'node:fs';
import type { Probe } from '../../../probes/probe.ts';
import { until } from '../../../probes/until.ts';
import type { Dependency, Task } from '../../engine/component.ts';
import type { AddonSet } from '../addons/addonSet.ts';
import { addonName } from '../../lib/paths.ts';
import { addonSources } from '../addons/source.ts';
import type { NodeFacts } from '../facts.ts';

/** Time limit of an addon for which the node waits, in ms. */
const requiredTimeoutMs = 300_000;

/** How often a file is looked at, in ms; and after how many attempts in a row an addon is not ready. */
const liveTiming = { periodMs: 2000, failureThreshold: 2, attemptTimeoutMs: 180_000 };

/**
 * A component for each addon, and one that removes what is gone; none for a node without addons. The graph is ready without
 * them, except for those that are required. They begin when pods can run, so that they do not compete with the boot.
 */
export function addons(facts: NodeFacts, needs: readonly Dependency[]): Task[] {
  const { files } = facts.addons;
  const sources = addonSources(facts, files ?? []).filter(({ name }) => addonName.test(name));
  if (sources.length === 0 && files === undefined) return [];
  // Loaded when the node runs already.
  let loaded: Promise<AddonSet> | undefined;
  const load = async (): Promise<AddonSet> => (loaded ??= loadSet(facts));
  return [
    ...sources.map(({ name, required }) =>
      addonTask(`addon-${name}`, needs, required, async (signal) => (await load()).reconcile(name, signal)),
    ),
    addonTask('addons', needs, false, async (signal) => (await load()).maintain(signal)),
  ];
}

async function loadSet(facts: NodeFacts): Promise<AddonSet> {
  // With the folder, the next start has this component, too, even if no addon is left: then it removes what they have made.
  mkdirSync(facts.paths.addons, { recursive: true, mode: 0o700 });
  return new (await import('../addons/addonSet.ts')).AddonSet(facts);
}

/** A task that attempts until it succeeds, and keeps attempting: the same attempt finds what has changed since. */
function addonTask(name: string, needs: readonly Dependency[], required: boolean, attempt: Probe): Task {
  const { attemptTimeoutMs } = liveTiming;
  const timing = { timeoutMs: Number.POSITIVE_INFINITY, attemptTimeoutMs, periodMs: 250, maxPeriodMs: 3000 };
  const live: Probe = async (signal) =>
    attempt(signal).catch(async (error: unknown) => {
      // An API server that does not answer is a reason of its own.
      const { Unreachable } = await import('../addons/kubeApi.ts');
      if (!(error instanceof Unreachable)) throw error;
    });
  return {
    kind: 'task',
    name,
    needs,
    run: async (signal, onAttemptFailed) => until(attempt, { ...timing, onAttemptFailed }, signal),
    timeoutMs: required ? requiredTimeoutMs : Number.POSITIVE_INFINITY,
    live,
    liveTiming,
    ...(!required && { optional: true, restart: { onFailure: 'keepOthers' } }),
  };
}
