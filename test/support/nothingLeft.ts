import { Unhealthy } from '../../probes/probe.ts';
import { until } from '../../probes/until.ts';
import { leftoversSince } from './leftovers.ts';
import type { Snapshot } from './leftovers.ts';

/**
 * Resolves when there is nothing left of these nodes, and rejects after `timeoutMs` with what there is. What goes away by
 * itself within the default is on its way, or a process of someone else on this machine.
 */
export async function nothingLeft(
  before: Snapshot,
  nodes: readonly string[],
  timeoutMs = 5000,
): Promise<void> {
  const look = async (): Promise<void> => {
    const left = await Promise.all(nodes.map(async (node) => leftoversSince(before, node)));
    if (left.flat().length > 0) throw new Unhealthy(left.flat().join('\n'));
  };
  await until(look, { timeoutMs, attemptTimeoutMs: timeoutMs }, new AbortController().signal);
}
