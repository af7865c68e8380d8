import { at, listAt, textAt } from '../../../probes/transport/json.ts';
import { readNamed } from '../cluster/objects.ts';
import type { Named } from '../cluster/objects.ts';
import type { Resource } from '../cluster/watches.ts';

/** A Node of the cluster. */
export interface ClusterNode extends Named {
  /** The range of its pods; empty until it has one. */
  readonly podCidr: string;
  /** Its addresses and host names, as its kubelet reports them. */
  readonly addresses: readonly string[];
  /** The one by which other nodes reach it; empty if it has none. */
  readonly internalIp: string;
}

export const nodes: Resource<ClusterNode> = { path: '/api/v1/nodes', read: readNode };

export function nodePath(name: string): string {
  return `${nodes.path}/${encodeURIComponent(name)}`;
}

export function readNode(object: unknown): ClusterNode {
  const addresses = listAt(object, 'status', 'addresses');
  const internal = addresses.find((each) => at(each, 'type') === 'InternalIP');
  return {
    ...readNamed(object),
    podCidr: textAt(object, 'spec', 'podCIDR'),
    addresses: addresses.map((each) => textAt(each, 'address')),
    internalIp: textAt(internal, 'address'),
  };
}
