import { numberToIp, overlap, parseCidr } from '../../config/schema/addresses.ts';
import { reasonOf } from '../../lib/errors.ts';
import { reconcileOnChange } from '../cluster/reconcile.ts';
import type { Watches } from '../cluster/watches.ts';
import type { WorkersOptions } from '../options.ts';
import { nodePath, nodes, podCidrAnnotation } from './node.ts';
import type { ClusterNode } from './node.ts';

/**
 * Chooses a range for the pods of each new worker, which takes it when it can use it; until the signal aborts. Not by the controller of
 * Kubernetes: up to 1.20 it sleeps for 10 s first, and delays all controllers behind it.
 */
export function runRanges(options: WorkersOptions, watches: Watches, signal: AbortSignal): void {
  const { nodeName, podCidr, clusterCidr } = options;
  const known = watches.store(nodes);
  let said = '';
  const assign = async ({ name }: ClusterNode): Promise<void> => {
    const others = [...known.values()].flatMap((node) => [node.podCidr, node.reservedCidr]);
    const taken = [podCidr, ...others].filter((range) => typeof parseCidr(range) !== 'string');
    const range = freeRange(clusterCidr, podCidr, taken);
    if (range === undefined)
      throw new Error(
        `node ${name} cannot have pods: no range of network.clusterCidr ${clusterCidr} is left`,
      );
    const body = { metadata: { annotations: { [podCidrAnnotation]: range } } };
    const type = 'application/merge-patch+json';
    await watches.change({ method: 'PATCH', path: nodePath(name), body, type }, [200, 404]);
    console.error(`the pods of node ${name} have ${range}`);
  };
  const reconcile = async (): Promise<void> => {
    if (!known.isSynced) return;
    // One at a time: the store has it when the next is chosen. The control plane's own gets its range by the milestone `node`.
    const next = [...known.values()].find(
      (node) => node.podCidr === '' && node.reservedCidr === '' && node.name !== nodeName,
    );
    if (next === undefined) return;
    await assign(next).catch((error: unknown) => {
      const reason = reasonOf(error);
      if (reason !== said) console.error(reason);
      said = reason;
    });
  };
  reconcileOnChange([known], reconcile, signal);
}

/**
 * The first range in `cluster` that is as large as `like` and overlaps none of `taken`; undefined if there is none.
 * @internal exported for tests
 */
export function freeRange(cluster: string, like: string, taken: readonly string[]): string | undefined {
  const [all, { size }] = [rangeOf(cluster), rangeOf(like)];
  const used = taken.map(rangeOf);
  const prefix = like.split('/')[1];
  for (let first = all.first; first + size <= all.first + all.size; first += size)
    if (!used.some((range) => overlap(range, { first, size }))) return `${numberToIp(first)}/${prefix}`;
  return undefined;
}

function rangeOf(cidr: string) {
  const range = parseCidr(cidr);
  if (typeof range === 'string') throw new Error(range);
  return range;
}
