import { assertRoot } from '../../host/preflight.ts';
import type { ClusterNode } from '../../config/clusterFile.ts';
import { takeDown } from '../down.ts';

/**
 * `k8s-single down --config FILE` with several nodes: takes all of them down, workers first. They stay nodes of their cluster, and
 * nothing is drained: it would go nowhere.
 */
export async function downCluster(
  nodes: readonly ClusterNode[],
  { purge }: { readonly purge?: boolean },
): Promise<number> {
  assertRoot();
  for (const { name } of nodes.toReversed())
    await takeDown({ name, ...(purge === true && { purge }), leave: false });
  return 0;
}
