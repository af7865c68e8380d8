import { needNames } from '../report/stage.ts';
import type { Stage } from '../report/stage.ts';

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
  let layers = Array.from({ length: Math.max(-1, ...depths.values()) + 1 }, (_, depth) =>
    [...depths].flatMap(([from, own]): Cell[] => {
      if (own === depth) return [{ from, passes: false }];
      return own < depth && depth < (reach.get(from) ?? 0) ? [{ from, passes: true }] : [];
    }),
  );
  const above = (cell: Cell): string[] => (cell.passes ? [cell.from] : (needs.get(cell.from) ?? []));
  for (let sweep = 0; sweep < sweeps; sweep += 1) {
    layers = layers.map((layer, depth) =>
      ordered(layer, layers[depth - 1] ?? [], (cell, over) => above(cell).includes(over.from)),
    );
    layers = layers
      .toReversed()
      .map((layer, index, all) =>
        ordered(layer, all[index - 1] ?? [], (cell, under) => above(under).includes(cell.from)),
      )
      .toReversed();
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

/** By the mean place of the neighbours, measured from the middle of their layer; who has none stays where it is. */
function ordered(
  layer: readonly Cell[],
  other: readonly Cell[],
  linked: (cell: Cell, other: Cell) => boolean,
): Cell[] {
  const wanted = layer.map((cell, index) => {
    const places = other.flatMap((each, at) => (linked(cell, each) ? [place(at, other)] : []));
    const mean = places.reduce((sum, each) => sum + each, 0) / places.length;
    return { cell, at: places.length === 0 ? place(index, layer) : mean };
  });
  return wanted.sort((a, b) => a.at - b.at).map(({ cell }) => cell);
}

function place(index: number, { length }: { length: number }): number {
  return index - (length - 1) / 2;
}
