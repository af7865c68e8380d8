import { edgeOf } from '../../engine/component.ts';
import type { Drawing } from './graph.ts';
import type { Stage } from '../state/stage.ts';
import type { Style } from '../terminal/style.ts';
import { formatMs, padEnd, width } from '../../lib/text/text.ts';

/**
 * The graph as a tree: each component once, below the one that it waits for longest, with its other needs beside it. The
 * critical path has filled marks.
 */
export function graphText(drawing: Drawing, style: Style): string {
  const { stages, times, path } = drawing;
  const critical = new Set(path);
  const byName = new Map(stages.map((stage) => [stage.name, stage]));
  const rows = rowsOf(drawing);
  const column = Math.max(0, ...rows.map(({ branch, name }) => width(branch) + 2 + width(name)));
  const lines = rows.map(({ branch, name }) => {
    const mark = critical.has(name) ? '●' : '○';
    const label = padEnd(`${mark} ${name}`, column - width(branch));
    const ms = times.get(name);
    const time = times.size === 0 ? '' : (ms === undefined ? '' : formatMs(ms)).padStart(10);
    const note = noteOf(byName.get(name)!, drawing.parents.get(name));
    const text = `${branch}${critical.has(name) ? style('bold', label) : label}${time}`;
    return note === '' ? text.trimEnd() : `${text}  ${style('dim', note)}`;
  });
  return [...lines, '', `● ${drawing.caption}`].join('\n');
}

interface Row {
  /** What leads from the parent to it. */
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
  // Not by recursion: a chain may be longer than the stack.
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

/** The needs that the tree does not show, and what is lost with them. */
function noteOf({ needs }: Stage, parent: string | undefined): string {
  const edges = needs.map(edgeOf);
  const others = edges.filter(({ on }) => on !== parent).map(({ on }) => on);
  const verbs = ['restart', 'stop'].flatMap((verb) => {
    const lost = edges.filter(({ whenLost }) => whenLost === verb).map(({ on }) => on);
    return lost.length === 0 ? [] : [`${verb}s when ${lost.join(' or ')} is lost`];
  });
  const begun = edges.filter(({ condition }) => condition === 'started').map(({ on }) => on);
  return [
    ...(others.length === 0 ? [] : [`also needs ${others.join(', ')}`]),
    ...(begun.length === 0 ? [] : [`${begun.join(' and ')} need only be started`]),
    ...verbs,
  ].join('; ');
}
