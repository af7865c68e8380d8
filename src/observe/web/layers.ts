import { needNames } from '../state/stage.ts';
import type { Stage } from '../state/stage.ts';

/** One place in a layer: a component, or the way through it of the edges that leave `from` for a layer further down. */
export interface Cell {
  readonly from: string;
  readonly passes: boolean;
}

/** How often the layers are put in order, down and up again: the picture settles after a few. */
const sweeps = 4;

/**
 * The graph in layers: what needs nothing first, everything else one below the lowest of its needs; in each layer in an
 * order in which few edges cross (Sugiyama's method, with the mean of the neighbours' places).
 */
export function layersOf(stages: readonly Stage[]): Cell[][] {
  const needs = new Map(stages.map((stage) => [stage.name, needNames(stage)]));
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

/** The lowest layer in which somebody needs it. */
function reachOf(
  needs: ReadonlyMap<string, readonly string[]>,
  depths: ReadonlyMap<string, number>,
): Map<string, number> {
  const reach = new Map<string, number>();
  for (const [name, its] of needs)
    for (const need of its) reach.set(need, Math.max(reach.get(need) ?? 0, depths.get(name) ?? 0));
  return reach;
}

/** By the mean place of the neighbours; who has none stays where it is. */
function ordered(layer: readonly Cell[], neighbours: (cell: Cell) => readonly number[]): Cell[] {
  const wanted = layer.map((cell, index) => {
    const places = neighbours(cell);
    const mean = places.reduce((sum, each) => sum + each, 0) / places.length;
    return { cell, at: places.length === 0 ? place(index, layer) : mean };
  });
  return wanted.sort((a, b) => a.at - b.at).map(({ cell }) => cell);
}

function placesOf(layer: readonly Cell[]): Map<string, number> {
  return new Map(layer.map(({ from }, index) => [from, place(index, layer)]));
}

/** Measured from the middle of the layer. */
function place(index: number, { length }: { readonly length: number }): number {
  return index - (length - 1) / 2;
}

function append(lists: Map<string, number[]>, name: string, value: number): void {
  const list = lists.get(name);
  if (list === undefined) lists.set(name, [value]);
  else list.push(value);
}
