import type { NodeFacts } from '../facts.ts';

/**
 * Whether other machines can join the cluster of this node: they reach it, and its pods, only if its network is that of its
 * machine or container. With an etcd of others there may be several control planes, which would give the same ranges to workers.
 */
export function isJoinable({
  config,
  isSandboxed,
  joining,
}: Pick<NodeFacts, 'config' | 'isSandboxed' | 'joining'>): boolean {
  return !isSandboxed && joining === undefined && config.etcd.endpoints === undefined;
}

/** The range of the pods of this node, and of those that may join it. */
export function podRange(facts: Pick<NodeFacts, 'config' | 'isSandboxed' | 'joining'>): string {
  const { clusterCidr, podCidr } = facts.config.network;
  return isJoinable(facts) ? clusterCidr : podCidr;
}

/** The URL at which they join it. */
export function joinUrl({ config, ip }: Pick<NodeFacts, 'config' | 'ip'>): string {
  return `https://${ip}:${config.network.apiserverPort}`;
}
