import type { ListedNode } from '../../kubernetes/join/clusterNodes.ts';
import { table } from '../../lib/text/table.ts';
import { oneLine } from '../../lib/text/text.ts';
import type { Style } from './style.ts';

const headings = ['NODE', 'STATE', 'VERSION', 'ADDRESS', 'PODS'];

/** What to show instead of its nodes. */
export function clusterUnknown(reason: string, columns: number, style: Style): string[] {
  const text = oneLine(`the nodes of the cluster are unknown: ${reason}`);
  return ['', ...table([[{ text, style: (padded) => style('dim', padded) }]], { maxWidth: columns })];
}

/** The nodes of a cluster as a table, one line per node, none wider than `columns`. */
export function clusterTable(nodes: readonly ListedNode[], columns: number, style: Style): string[] {
  const head = headings.map((text) => ({ text, style: (padded: string) => style('dim', padded) }));
  const rows = nodes.map(({ name, ready, schedulable, version, address, podCidr }) => {
    const state = `${ready ? 'ready' : 'not ready'}${schedulable ? '' : ', cordoned'}`;
    const colour = ready && schedulable ? 'green' : 'yellow';
    return [
      name,
      { text: state, style: (padded: string) => style(colour, padded) },
      version,
      address,
      podCidr,
    ];
  });
  return table([head, ...rows], { maxWidth: columns });
}
