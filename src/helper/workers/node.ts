import { at, listAt, textAt } from '../../../probes/transport/json.ts';
import { readNamed } from '../cluster/objects.ts';
import type { Named } from '../cluster/objects.ts';
import type { Resource } from '../cluster/watches.ts';

/** A Node of the cluster. */
export interface ClusterNode extends Named {
  /** The range of its pods; empty until it has one. */
  readonly podCidr: string;
  /** The range that the control plane has chosen for it; empty before that. */
  readonly reservedCidr: string;
  /** Whether its kubelet says that it takes pods. */
  readonly isReady: boolean;
  /** As in its metadata: what is of use in them is read where it is used. */
  readonly annotations: unknown;
  /** As in its spec. */
  readonly taints: readonly unknown[];
  /** Its addresses and host names, as its kubelet reports them. */
  readonly addresses: readonly string[];
  /** The one by which other nodes reach it; empty if it has none. */
  readonly internalIp: string;
}

export const nodes: Resource<ClusterNode> = { path: '/api/v1/nodes', read: readNode };

/**
 * The annotation with the range of a new worker's pods. The worker writes it to the spec of its Node, at which its kubelet looks once, as
 * soon as containerd has it: a kubelet that saw it before would report Ready only up to 10 s later.
 */
export const podCidrAnnotation = 'k8s-single/pod-cidr';

/**
 * The API server adds this taint, with the effect NoSchedule, to each new node, so that no pod is scheduled before it is ready
 * (TaintNodesByCondition); the controller adds it with NoExecute if it looks meanwhile, which it does every 5 s
 * (--node-monitor-period), and takes that back only when it looks again.
 */
const notReady = 'node.kubernetes.io/not-ready';

/** JSON patch (RFC 6902) that removes both taints, if the taints are still these; undefined if neither is among them. */
export function withoutNotReady(taints: readonly unknown[]): object[] | undefined {
  const value = taints.filter((taint) => at(taint, 'key') !== notReady);
  if (value.length === taints.length) return undefined;
  const path = '/spec/taints';
  return [
    { op: 'test', path, value: taints },
    { op: 'replace', path, value },
  ];
}

export function nodePath(name: string): string {
  return `${nodes.path}/${encodeURIComponent(name)}`;
}

export function readNode(object: unknown): ClusterNode {
  const addresses = listAt(object, 'status', 'addresses');
  const internal = addresses.find((each) => at(each, 'type') === 'InternalIP');
  return {
    ...readNamed(object),
    podCidr: textAt(object, 'spec', 'podCIDR'),
    reservedCidr: textAt(object, 'metadata', 'annotations', podCidrAnnotation),
    annotations: at(object, 'metadata', 'annotations'),
    isReady: listAt(object, 'status', 'conditions').some(
      (each) => at(each, 'type') === 'Ready' && at(each, 'status') === 'True',
    ),
    taints: listAt(object, 'spec', 'taints'),
    addresses: addresses.map((each) => textAt(each, 'address')),
    internalIp: textAt(internal, 'address'),
  };
}
