import { edgeOf } from '../../engine/component.ts';
import { isCritical, labelOf } from './graph.ts';
import type { Drawing } from './graph.ts';
import { formatMs } from '../../lib/text/text.ts';

/** The graph in Graphviz' language (https://graphviz.org/doc/info/lang.html), from left to right. */
export function graphDot(drawing: Drawing): string {
  const { stages, times, path } = drawing;
  const critical = new Set(path);
  const nodes = stages.map(({ name }) => {
    const ms = times.get(name);
    const label = ms === undefined ? quote(name) : quote(`${name}\\n${formatMs(ms)}`);
    return `  ${quote(name)} [label=${label}${critical.has(name) ? ' penwidth=3' : ''}];`;
  });
  const edges = stages.flatMap(({ name, needs }) =>
    needs.map((need) => {
      const edge = edgeOf(need);
      const { on } = edge;
      const label = labelOf(edge);
      const attributes = [
        ...(isCritical(drawing, on, name) ? ['penwidth=3'] : []),
        ...(label === '' ? [] : [`label=${quote(label)}`]),
      ];
      return `  ${quote(on)} -> ${quote(name)}${attributes.length === 0 ? '' : ` [${attributes.join(' ')}]`};`;
    }),
  );
  return [
    'digraph {',
    `  graph [rankdir=LR label=${quote(drawing.caption)}];`,
    '  node [shape=box style=rounded];',
    ...nodes,
    ...edges,
    '}',
  ].join('\n');
}

/** A quoted string. Only the quotation mark is special in it. */
function quote(text: string): string {
  return `"${text.replaceAll('"', String.raw`\"`)}"`;
}
