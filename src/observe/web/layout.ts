import { edgeOf } from '../../engine/component.ts';
import type { Stage } from '../state/stage.ts';
import { layersOf } from './layers.ts';

/** The measures of a picture, in px. */
export interface Measures {
  readonly boxWidth: number;
  readonly boxHeight: number;
  readonly gapX: number;
  readonly gapY: number;
}

interface Point {
  readonly x: number;
  readonly y: number;
}

/** Where everything is: each box by its top left corner, each edge by the points it goes through, downwards. */
export interface Layout {
  readonly width: number;
  readonly height: number;
  readonly boxes: ReadonlyMap<string, Point>;
  readonly edges: readonly Edge[];
}

interface Edge {
  readonly from: string;
  readonly to: string;
  readonly whenLost: 'keep' | 'restart' | 'stop';
  readonly points: readonly Point[];
}

/** The graph from top to bottom, each layer in the middle. */
export function layOut(stages: readonly Stage[], { boxWidth, boxHeight, gapX, gapY }: Measures): Layout {
  const layers = layersOf(stages);
  const widthOf = ({ passes }: { passes: boolean }): number => (passes ? 0 : boxWidth);
  const widths = layers.map((layer) => layer.reduce((sum, cell) => sum + widthOf(cell) + gapX, -gapX));
  const width = Math.max(0, ...widths);
  const boxes = new Map<string, Point>();
  /** Of each layer by the component whose edges go through. */
  const middles = layers.map((layer, depth) => {
    let x = (width - (widths[depth] ?? 0)) / 2;
    return new Map(
      layer.map((cell) => {
        if (!cell.passes) boxes.set(cell.from, { x, y: depth * (boxHeight + gapY) });
        const middle = x + widthOf(cell) / 2;
        x += widthOf(cell) + gapX;
        return [cell.from, middle];
      }),
    );
  });
  const depthOf = new Map(
    layers.flatMap((layer, depth) =>
      layer.flatMap(({ from, passes }) => (passes ? [] : [[from, depth] as const])),
    ),
  );
  const edges = stages.flatMap(({ name, needs }) =>
    needs.flatMap((need): Edge[] => {
      const { on, whenLost } = edgeOf(need);
      const [first, last] = [depthOf.get(on), depthOf.get(name)];
      if (first === undefined || last === undefined) return [];
      const points: Point[] = [];
      for (let depth = first; depth <= last; depth += 1) {
        const x = middles[depth]?.get(depth === last ? name : on) ?? 0;
        const y = depth * (boxHeight + gapY);
        if (depth > first) points.push({ x, y });
        if (depth < last) points.push({ x, y: y + boxHeight });
      }
      return [{ from: on, to: name, whenLost, points }];
    }),
  );
  const height = Math.max(0, layers.length * (boxHeight + gapY) - gapY);
  return { width, height, boxes, edges };
}
