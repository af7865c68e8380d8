import { at, listAt, textAt } from '../../../probes/transport/json.ts';
import { Unhealthy } from '../../../probes/probe.ts';
import type { Api } from '../api.ts';
import type { Check } from '../check.ts';
import { condition, describeObject } from '../podState.ts';

export const node: Check = {
  name: 'node',
  summary: 'every node is Ready',
  needs: [],
  deadlineMs: 30_000,
  run: async ({ api, until }) =>
    until('nodes', async (signal) => {
      for (const each of await registeredNodes(api, signal)) {
        const ready = condition(each, 'Ready');
        if (at(ready, 'status') === 'True') continue;
        throw new Unhealthy(
          `${textAt(each, 'metadata', 'name')} is not Ready: ${describeObject(ready) || 'it gives no reason'}`,
        );
      }
    }),
};

/** The nodes of the cluster. @throws Unhealthy if there is none yet */
export async function registeredNodes(api: Api, signal: AbortSignal): Promise<readonly unknown[]> {
  const nodes = listAt(await api.get('/api/v1/nodes', signal), 'items');
  if (nodes.length === 0) throw new Unhealthy('no node is registered');
  return nodes;
}
