import { apiObject } from '../../../probes/kinds/api.ts';
import type { Api } from '../../../probes/kinds/api.ts';
import { at, listAt, textAt } from '../../../probes/transport/json.ts';
import { nodes, readNode } from '../../helper/workers/node.ts';

/** A node of the cluster, as `status` shows it. */
export interface ListedNode {
  readonly name: string;
  readonly ready: boolean;
  /** Whether pods come to it: `kubectl cordon` and `down` of a worker say no. */
  readonly schedulable: boolean;
  readonly version: string;
  readonly address: string;
  readonly podCidr: string;
}

/** All nodes of the cluster, by name. */
export async function clusterNodes(api: Api, signal: AbortSignal): Promise<ListedNode[]> {
  const list = listAt(await apiObject(api, nodes.path, 'no nodes')(signal), 'items');
  return list.map((object) => {
    const { name, internalIp, podCidr } = readNode(object);
    const conditions = listAt(object, 'status', 'conditions');
    const ready = conditions.find((condition) => at(condition, 'type') === 'Ready');
    return {
      name,
      ready: at(ready, 'status') === 'True',
      schedulable: at(object, 'spec', 'unschedulable') !== true,
      version: textAt(object, 'status', 'nodeInfo', 'kubeletVersion'),
      address: internalIp,
      podCidr,
    };
  });
}
