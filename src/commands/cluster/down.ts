import type { ClusterNode } from '../../config/clusterFile.ts';
import { readNodeFile } from '../../instance/nodeFile.ts';
import { activeUnit } from '../../instance/unit.ts';
import { exitCodes, reasonOf } from '../../lib/errors.ts';
import { loadNodeConfig } from '../../supervisor/options.ts';
import { takeDown } from '../down.ts';

/**
 * `k8s-single down --config FILE` with several nodes: takes all of them down, workers first. They stay nodes of their cluster, and
 * nothing is drained: it would go nowhere.
 * @throws the reason of the first that cannot be taken down, after all others were
 */
export async function downCluster(
  nodes: readonly ClusterNode[],
  { purge = false }: { readonly purge?: boolean },
): Promise<number> {
  const failures: unknown[] = [];
  for (const { name, config } of nodes.toReversed()) {
    try {
      const { dataDir, isKnown } = await dataDirOf({ name, config });
      if (purge && !isKnown)
        console.error(`node ${name}: its data stays, as its config does not say where it is`);
      const place = dataDir === undefined ? {} : { dataDir };
      await takeDown({ name, purge: purge && isKnown, leave: false, ...place }, await activeUnit(name));
    } catch (error) {
      console.error(`node ${name}: ${reasonOf(error)}`);
      failures.push(error);
    }
  }
  if (failures.length > 0) throw failures[0];
  return exitCodes.ok;
}

/** The data folder: that of the node if it runs, else that of its config. Undefined: the usual one. */
async function dataDirOf({
  name,
  config,
}: ClusterNode): Promise<{ readonly dataDir?: string | undefined; readonly isKnown: boolean }> {
  const running = await readNodeFile(name).catch(() => undefined);
  if (running !== undefined) return { dataDir: running.dataDir, isKnown: true };
  if (config === undefined) return { isKnown: true };
  try {
    const { node } = await loadNodeConfig({ name, config });
    return { dataDir: node.dataDir, isKnown: true };
  } catch (error) {
    console.error(`node ${name}: ${reasonOf(error)}`);
    return { isKnown: false };
  }
}
