import { pressures } from '../../../probes/kinds/nodeReady.ts';
import { at, textAt } from '../../../probes/transport/json.ts';
import { PermanentFailure, type Check } from '../check.ts';
import { condition, describeObject } from '../podState.ts';
import { registeredNodes } from './node.ts';

/** All checks with pods need it: on a node with a full disk each would wait until its deadline. */
export const pressure: Check = {
  name: 'pressure',
  summary: 'a node has enough disk, memory and process IDs to take pods',
  needs: [],
  deadlineMs: 30_000,
  run: async ({ api, until }) =>
    until('nodes', async (signal) => {
      const reasons = (await registeredNodes(api, signal)).map(reasonOf);
      // It lasts: the kubelet keeps the condition for a while after the cause has ended.
      if (reasons.every((reason) => reason !== undefined))
        throw new PermanentFailure(`no pod can be scheduled: ${reasons.join('; ')}`);
    }),
};

/** Why no pod is scheduled on the node; undefined if it is not under pressure. */
function reasonOf(node: unknown): string | undefined {
  const reasons = pressures.flatMap((type) => {
    const found = condition(node, type);
    return at(found, 'status') === 'True' ? `${type} (${describeObject(found)})` : [];
  });
  return reasons.length === 0
    ? undefined
    : `${textAt(node, 'metadata', 'name')} has ${reasons.join(' and ')}`;
}
