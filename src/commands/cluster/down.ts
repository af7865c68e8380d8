import type { ClusterNode } from '../../config/clusterFile.ts';
import { activeUnit } from '../../instance/unit.ts';
import { exitCodes, Failure, reasonOf } from '../../lib/errors.ts';
import { loadNodeConfig } from '../../supervisor/options.ts';
import { takeDown } from '../down.ts';

/**
 * `k8s-single down --config FILE` with several nodes: takes all of them down, workers first. They stay nodes of their cluster, and
 * nothing is drained: it would go nowhere.
 * @throws Failure with the reason of the first that cannot be taken down, after all others were
 */
export async function downCluster(
  nodes: readonly ClusterNode[],
  { purge = false }: { readonly purge?: boolean },
): Promise<number> {
  const failures: Failure[] = [];
  for (const { name, config } of nodes.toReversed()) {
    try {
      const dataDir =
        config === undefined ? undefined : (await loadNodeConfig({ name, config })).node.dataDir;
      const options = { name, purge, leave: false, ...(dataDir !== undefined && { dataDir }) };
      await takeDown(options, await activeUnit(name));
    } catch (error) {
      if (!(error instanceof Failure)) throw error;
      console.error(`node ${name}: ${reasonOf(error)}`);
      failures.push(error);
    }
  }
  const [first] = failures;
  if (first !== undefined) throw first;
  return exitCodes.ok;
}
