import { edgeOf } from '../../engine/component.ts';
import type { Drawing } from './graph.ts';
import type { Stage } from '../state/state.ts';
import type { Style } from '../terminal/style.ts';
import { table } from '../../lib/text/table.ts';
import type { Cell } from '../../lib/text/table.ts';
import { formatMs } from '../../lib/text/text.ts';

/**
 * The graph as a tree: each component once, below the dependency that it waits for longest, with the others beside it. Filled
 * marks show the critical path.
 */
export function graphText(drawing: Drawing, style: Style): string {
  const { stages, times, path } = drawing;
  const critical = new Set(path);
  const byName = new Map(stages.map((stage) => [stage.name, stage]));
  const rows = rowsOf(drawing);
  const cells = rows.map(({ branch, name }): Cell[] => {
    const isCritical = critical.has(name);
    const ms = times.get(name);
    const label = {
      text: `${branch}${isCritical ? '●' : '○'} ${name}`,
      style: (text: string) => (isCritical ? branch + style('bold', text.slice(branch.length)) : text),
    };
    const note = {
      text: noteOf(byName.get(name)!, drawing.parents.get(name)),
      style: (text: string) => style('dim', text),
    };
    return times.size === 0 ? [label, note] : [label, ms === undefined ? '' : formatMs(ms), note];
  });
  const columns = times.size === 0 ? [] : [{}, { align: 'right', minWidth: 8 } as const];
  const lines = table(cells, { columns });
  return [...lines, '', `● ${drawing.caption}`].join('\n');
}

interface Row {
  /** The lines that lead to it from its parent. */
  readonly branch: string;
  readonly name: string;
}

function rowsOf({ stages, parents }: Drawing): Row[] {
  const children = new Map<string | undefined, string[]>();
  for (const { name } of stages) {
    const siblings = children.get(parents.get(name)) ?? [];
    children.set(parents.get(name), [...siblings, name]);
  }
  const rows: Row[] = [];
  // Not recursive: a chain may be longer than the stack.
  const open = (children.get(undefined) ?? []).map((name) => ({ name, branch: '', below: '' })).toReversed();
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    const { name, branch, below } = next;
    rows.push({ branch, name });
    const own = children.get(name) ?? [];
    const placed = own.map((child, index) =>
      index === own.length - 1
        ? { name: child, branch: `${below}└─`, below: `${below}  ` }
        : { name: child, branch: `${below}├─`, below: `${below}│ ` },
    );
    open.push(...placed.toReversed());
  }
  return rows;
}

/** The dependencies that the tree does not show, and what their loss means. */
function noteOf({ needs }: Stage, parent: string | undefined): string {
  const edges = needs.map(edgeOf);
  const others = edges.filter(({ on }) => on !== parent).map(({ on }) => on);
  const verbs = ['restart', 'stop'].flatMap((verb) => {
    const lost = edges.filter(({ whenLost }) => whenLost === verb).map(({ on }) => on);
    return lost.length === 0 ? [] : [`${verb}s when ${lost.join(' or ')} is lost`];
  });
  const started = edges.filter(({ condition }) => condition === 'started').map(({ on }) => on);
  return [
    ...(others.length === 0 ? [] : [`also needs ${others.join(', ')}`]),
    ...(started.length === 0 ? [] : [`only needs ${started.join(' and ')} started`]),
    ...verbs,
  ].join('; ');
}
