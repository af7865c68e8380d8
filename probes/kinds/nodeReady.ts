import { apiObject, type Api } from './api.ts';
import { at, listAt, textAt } from '../transport/json.ts';
import { Unhealthy, type Probe } from '../probe.ts';
import { oneLine } from '../transport/reason.ts';

/** The API server knows the node, and says that it is not ready. Any other Unhealthy says that nothing is known. */
export class NodeNotReady extends Unhealthy {}

/** The conditions under which the kubelet evicts pods and the scheduler places no more (node-pressure eviction). */
export const pressures: readonly string[] = ['DiskPressure', 'MemoryPressure', 'PIDPressure'];

/**
 * Passes when the Node object has the condition Ready and no condition of pressure, as reported by the kubelet to the API
 * server. Rejects with {@link NodeNotReady} if that is what the API server says.
 * @param reportedSince when the report must have come at the earliest, in ms since the epoch; whole seconds count. Default: any time
 */
export function nodeReady({
  node,
  reportedSince,
  ...api
}: Api & { readonly node: string; readonly reportedSince?: () => number }): Probe {
  const missing = `node ${node} is not registered yet`;
  const get = apiObject(api, `/api/v1/nodes/${encodeURIComponent(node)}`, missing);
  return async (signal) => {
    const object = await get(signal).catch((error: unknown) => {
      const isMissing = error instanceof Unhealthy && error.message === missing;
      throw isMissing ? new NodeNotReady(missing, { cause: error }) : error;
    });
    const conditions = listAt(object, 'status', 'conditions');
    // By type: the order is not specified.
    const find = (type: string): unknown => conditions.find((condition) => at(condition, 'type') === type);
    const ready = find('Ready');
    if (!ready) throw new NodeNotReady(`node ${node} has not reported whether it is ready`);
    const reportedAt = Date.parse(textAt(ready, 'lastHeartbeatTime'));
    if (reportedSince !== undefined && reportedAt < Math.floor(reportedSince() / 1000) * 1000)
      throw new NodeNotReady(`the kubelet of node ${node} has not reported since it was started`);
    if (at(ready, 'status') !== 'True')
      throw new NodeNotReady(describe(ready) || `node ${node} is not ready`);
    const pressed = pressures.filter((type) => at(find(type), 'status') === 'True');
    if (pressed.length === 0) return;
    throw new NodeNotReady(
      pressed.map((type) => `${type}: ${oneLine(textAt(find(type), 'message'))}`).join(', '),
    );
  };
}

function describe(condition: unknown): string {
  return oneLine([textAt(condition, 'reason'), textAt(condition, 'message')].filter(Boolean).join(': '));
}
