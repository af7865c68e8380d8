import { edgeOf } from '../../engine/component.ts';
import { isCritical, labelOf } from './graph.ts';
import type { Drawing } from './graph.ts';
import { formatMs } from '../../lib/text/text.ts';

/** The graph as a Mermaid flowchart (https://mermaid.js.org/syntax/flowchart.html), from left to right. */
export function graphMermaid(drawing: Drawing): string {
  const { stages, times, path } = drawing;
  // Names can be keywords (`end`), so they are only used as labels.
  const ids = new Map(stages.map(({ name }, index) => [name, `n${index}`]));
  const nodes = stages.map(({ name }) => {
    const ms = times.get(name);
    return `  ${ids.get(name)}["${name}${ms === undefined ? '' : `<br/>${formatMs(ms)}`}"]`;
  });
  const edges = stages.flatMap(({ name, needs }) =>
    needs.map((need) => {
      const edge = edgeOf(need);
      const { on } = edge;
      const label = labelOf(edge);
      const arrow = isCritical(drawing, on, name) ? '==>' : '-->';
      return `  ${ids.get(on)} ${arrow}${label && `|${label}|`} ${ids.get(name)}`;
    }),
  );
  const critical = path.map((name) => ids.get(name)).join(',');
  const styles =
    path.length === 0 ? [] : ['  classDef critical stroke-width:3px', `  class ${critical} critical`];
  return ['flowchart LR', `  %% ${drawing.caption}`, ...nodes, ...edges, ...styles].join('\n');
}
