import { at, listAt } from '../../../probes/transport/json.ts';
import { Unhealthy } from '../../../probes/probe.ts';
import type { Check } from '../check.ts';
import { describeObject } from '../podState.ts';

/**
 * Removes the namespace of the run, with everything the other checks made: a check and the clean-up in one.
 */
export const namespace: Check = {
  name: 'namespace',
  summary: 'deleting a namespace removes everything in it',
  needs: [],
  deadlineMs: 120_000,
  last: true,
  run: async ({ api, namespacePath, namespace: name, until }) => {
    await until(`kubectl delete namespace ${name}`, async (signal) => {
      const found = await api.find(namespacePath, signal);
      if (found === undefined) return;
      if (at(found, 'metadata', 'deletionTimestamp') === undefined) await api.remove(namespacePath, signal);
      throw new Unhealthy(whyStillThere(found));
    });
  },
};

/** The conditions that are True say what the deletion waits for. */
function whyStillThere(found: unknown): string {
  const blocking = listAt(found, 'status', 'conditions').filter((each) => at(each, 'status') === 'True');
  return ['it is still there', ...blocking.map(describeObject)].join(': ');
}
