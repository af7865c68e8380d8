import type { NodeFacts } from '../facts.ts';

/**
 * Whether other nodes can join the cluster of this node: they have to reach it, and its pods. With an etcd of others there may be several control planes, which would give the same ranges to workers.
 */
export function isJoinable({
  config,
  isReachable,
  joining,
}: Pick<NodeFacts, 'config' | 'isReachable' | 'joining'>): boolean {
  return isReachable && joining === undefined && config.etcd.endpoints === undefined;
}

/** The range of the pods of this node, and of those that may join it. */
export function podRange(facts: Pick<NodeFacts, 'config' | 'isReachable' | 'joining'>): string {
  const { clusterCidr, podCidr } = facts.config.network;
  return isJoinable(facts) ? clusterCidr : podCidr;
}

/** The URL at which they join it. */
export function joinUrl({ config, ip }: Pick<NodeFacts, 'config' | 'ip'>): string {
  return `https://${ip}:${config.network.apiserverPort}`;
}
