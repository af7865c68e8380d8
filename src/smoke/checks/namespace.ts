import { at, listAt } from '../../../probes/transport/json.ts';
import { Unhealthy } from '../../../probes/probe.ts';
import type { Check } from '../check.ts';
import { describeObject } from '../podState.ts';

/** Whatever the other checks made is in the namespace of the run: removing it proves this and tidies up, in one. */
export const namespace: Check = {
  name: 'namespace',
  summary: 'a namespace that is deleted takes everything in it away',
  needs: [],
  deadlineMs: 120_000,
  last: true,
  run: async ({ api, home, namespace: name, until }) => {
    await until(`kubectl delete namespace ${name}`, async (signal) => {
      const found = await api.find(home, signal);
      if (found === undefined) return;
      if (at(found, 'metadata', 'deletionTimestamp') === undefined) await api.remove(home, signal);
      throw new Unhealthy(whyNotGone(found));
    });
  },
};

/** What it says it waits for: its conditions that are True. */
function whyNotGone(found: unknown): string {
  const holding = listAt(found, 'status', 'conditions').filter((each) => at(each, 'status') === 'True');
  return ['it is still there', ...holding.map(describeObject)].join(': ');
}
