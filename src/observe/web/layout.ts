import { dependencyName, edgeOf } from '../../engine/component.ts';
import type { Stage } from '../state/state.ts';

/** Sizes in px. */
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

/** Positions: each box by its top left corner, each edge by its points from top to bottom. */
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

/** Lays the graph out from top to bottom, with centred layers. */
export function layOut(stages: readonly Stage[], { boxWidth, boxHeight, gapX, gapY }: Measures): Layout {
  const layers = layersOf(stages);
  const widthOf = ({ passes }: { passes: boolean }): number => (passes ? 0 : boxWidth);
  const widths = layers.map((layer) => layer.reduce((sum, cell) => sum + widthOf(cell) + gapX, -gapX));
  const width = Math.max(0, ...widths);
  const boxes = new Map<string, Point>();
  /** For each layer, the horizontal centre of each cell by the name of its component. */
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

/** A position in a layer: a component, or the gap for edges that leave `from` and pass through to lower layers. */
interface Cell {
  readonly from: string;
  readonly passes: boolean;
}

/** The number of ordering passes, each down and up. After a few the order no longer changes. */
const sweeps = 4;

/**
 * The graph in layers: components without dependencies first, all others one layer below their lowest dependency. Each layer is
 * ordered so that few edges cross (Sugiyama's method, with the mean position of the neighbours).
 * @internal exported for tests
 */
export function layersOf(stages: readonly Stage[]): Cell[][] {
  const needs = new Map(stages.map((stage) => [stage.name, stage.needs.map(dependencyName)]));
  const depths = depthsOf(needs);
  const reach = reachOf(needs, depths);
  const layers = Array.from({ length: Math.max(-1, ...depths.values()) + 1 }, (_, depth) =>
    [...depths].flatMap(([from, own]): Cell[] => {
      if (own === depth) return [{ from, passes: false }];
      return own < depth && depth < (reach.get(from) ?? 0) ? [{ from, passes: true }] : [];
    }),
  );
  const above = ({ from, passes }: Cell): readonly string[] => (passes ? [from] : (needs.get(from) ?? []));
  for (let sweep = 0; sweep < sweeps; sweep += 1) {
    for (const [depth, layer] of layers.entries()) {
      const over = placesOf(layers[depth - 1] ?? []);
      layers[depth] = ordered(layer, (cell) => above(cell).flatMap((name) => over.get(name) ?? []));
    }
    for (const [depth, layer] of [...layers.entries()].toReversed()) {
      const under = new Map<string, number[]>();
      for (const [index, cell] of (layers[depth + 1] ?? []).entries())
        for (const name of above(cell)) append(under, name, place(index, layers[depth + 1] ?? []));
      layers[depth] = ordered(layer, ({ from }) => under.get(from) ?? []);
    }
  }
  return layers;
}

/** The layer of each component, from 0. */
function depthsOf(needs: ReadonlyMap<string, readonly string[]>): Map<string, number> {
  const depths = new Map<string, number>();
  const depthOf = (name: string): number => {
    const known = depths.get(name);
    if (known !== undefined) return known;
    const depth = Math.max(-1, ...(needs.get(name) ?? []).map(depthOf)) + 1;
    depths.set(name, depth);
    return depth;
  };
  return new Map([...needs.keys()].map((name) => [name, depthOf(name)]));
}

/** For each component, the lowest layer with a dependent. */
function reachOf(
  needs: ReadonlyMap<string, readonly string[]>,
  depths: ReadonlyMap<string, number>,
): Map<string, number> {
  const reach = new Map<string, number>();
  for (const [name, dependencies] of needs)
    for (const need of dependencies) reach.set(need, Math.max(reach.get(need) ?? 0, depths.get(name) ?? 0));
  return reach;
}

/** The layer by the mean position of the neighbours. Cells without neighbours keep their position. */
function ordered(layer: readonly Cell[], neighbours: (cell: Cell) => readonly number[]): Cell[] {
  const targets = layer.map((cell, index) => {
    const places = neighbours(cell);
    const mean = places.reduce((sum, each) => sum + each, 0) / places.length;
    return { cell, at: places.length === 0 ? place(index, layer) : mean };
  });
  return targets.sort((a, b) => a.at - b.at).map(({ cell }) => cell);
}

function placesOf(layer: readonly Cell[]): Map<string, number> {
  return new Map(layer.map(({ from }, index) => [from, place(index, layer)]));
}

/** The position relative to the middle of the layer. */
function place(index: number, { length }: { readonly length: number }): number {
  return index - (length - 1) / 2;
}

function append(lists: Map<string, number[]>, name: string, value: number): void {
  const list = lists.get(name);
  if (list === undefined) lists.set(name, [value]);
  else list.push(value);
}
