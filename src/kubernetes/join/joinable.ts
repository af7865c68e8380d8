import type { NodeFacts } from '../facts.ts';

/**
 * Whether other machines can join the cluster of this node: they reach it, and its pods, only if its network is that of its
 * machine or container.
 */
export function isJoinable({ isSandboxed, joining }: Pick<NodeFacts, 'isSandboxed' | 'joining'>): boolean {
  return !isSandboxed && joining === undefined;
}

/** The URL at which they join it. */
export function joinUrl({ config, ip }: Pick<NodeFacts, 'config' | 'ip'>): string {
  return `https://${ip}:${config.network.apiserverPort}`;
}
