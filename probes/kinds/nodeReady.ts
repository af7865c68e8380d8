import { apiObject, type Api } from './api.ts';
import { at, listAt, textAt } from '../transport/json.ts';
import { Unhealthy, type Probe } from '../probe.ts';
import { oneLine } from '../transport/reason.ts';

/** Passes when the condition Ready of the Node object is True, as reported by the kubelet to the API server. */
export function nodeReady({ node, ...api }: Api & { readonly node: string }): Probe {
  const get = apiObject(
    api,
    `/api/v1/nodes/${encodeURIComponent(node)}`,
    `node ${node} is not registered yet`,
  );
  return async (signal) => {
    const conditions = listAt(await get(signal), 'status', 'conditions');
    // By type: the order is not specified.
    const ready = conditions.find((condition) => at(condition, 'type') === 'Ready');
    if (!ready) throw new Unhealthy(`node ${node} has not reported whether it is ready`);
    if (at(ready, 'status') === 'True') return;
    const why = oneLine([textAt(ready, 'reason'), textAt(ready, 'message')].filter(Boolean).join(': '));
    throw new Unhealthy(why || `node ${node} is not ready`);
  };
}
