import { describe, expect, it } from 'vitest';
import { layersOf, layOut } from '../../../src/observe/web/layout.ts';
import type { Layout } from '../../../src/observe/web/layout.ts';
import { dependencyName } from '../../../src/engine/component.ts';
import type { Stage } from '../../../src/observe/state/state.ts';

const size = { boxWidth: 100, boxHeight: 40, gapX: 10, gapY: 20 };

const stage = (name: string, ...needs: Stage['needs']): Stage => ({ name, needs });

const node = [
  stage('pki'),
  stage('etcd'),
  stage('containerd'),
  stage('pause-image', 'containerd'),
  stage('apiserver', 'pki', 'etcd'),
  stage('kubelet', 'pki', 'containerd'),
  stage('controller-manager', 'apiserver'),
  stage('scheduler', 'apiserver'),
  stage('default-account', 'controller-manager'),
  stage('node', 'apiserver', 'pause-image', { on: 'kubelet', whenLost: 'restart' }),
];

/** Every tenth needs two others; deep and wide. */
const many = Array.from({ length: 600 }, (_, index) =>
  stage(`c${index}`, ...(index < 10 ? [] : [`c${index - 10}`, `c${Math.floor(index / 2)}`])),
);

function names(stages: readonly Stage[]): string[][] {
  return layersOf(stages).map((layer) => layer.map(({ from, passes }) => (passes ? `(${from})` : from)));
}

/** The edges with a point inside a box that they neither leave nor enter. */
function crossedBoxes({ boxes, edges }: Layout): string[] {
  return edges.flatMap(({ from, to, points }) =>
    [...boxes].flatMap(([name, { x, y }]) => {
      if (name === from || name === to) return [];
      const inside = points.some(
        (point) => point.x > x && point.x < x + size.boxWidth && point.y > y && point.y < y + size.boxHeight,
      );
      return inside ? [`${from} -> ${to} through ${name}`] : [];
    }),
  );
}

describe('layers', () => {
  it.each([
    ['the node', node],
    ['a large graph', many],
  ])('of %s have each component once, below all its dependencies', (_what, stages) => {
    const layers = names(stages);
    const depth = new Map(layers.flatMap((layer, index) => layer.map((name) => [name, index] as const)));
    expect(
      layers
        .flat()
        .filter((name) => !name.startsWith('('))
        .sort(),
    ).toEqual(stages.map(({ name }) => name).sort());
    for (const each of stages)
      for (const need of each.needs)
        expect(depth.get(dependencyName(need))!).toBeLessThan(depth.get(each.name)!);
  });

  it('are no more than the longest chain', () => {
    expect(names(node)).toHaveLength(4);
    expect(names([])).toEqual([]);
  });

  it('leave a gap for an edge that skips one', () => {
    const long = [stage('a'), stage('b', 'a'), stage('c', 'b', 'a')];
    expect(names(long).map((layer) => layer.toSorted())).toEqual([['a'], ['(a)', 'b'], ['c']]);
  });

  it('are ordered without crossing edges where possible', () => {
    const twins = [stage('a'), stage('b'), stage('c', 'b'), stage('d', 'a')];
    const [above = [], below = []] = names(twins);
    expect(above.map((name) => ({ a: 'd', b: 'c' })[name])).toEqual(below);
  });
});

describe('the layout', () => {
  it('puts no box on another, none outside, and no edge through a box', () => {
    for (const stages of [node, many]) {
      const layout = layOut(stages, size);
      const places = [...layout.boxes.values()];
      expect(places).toHaveLength(stages.length);
      const taken = new Set(places.map(({ x, y }) => `${x} ${y}`));
      expect(taken.size).toBe(stages.length);
      for (const { x, y } of places) {
        expect(x).toBeGreaterThanOrEqual(0);
        expect(x + size.boxWidth).toBeLessThanOrEqual(layout.width);
        expect(y + size.boxHeight).toBeLessThanOrEqual(layout.height);
      }
      expect(crossedBoxes(layout)).toEqual([]);
    }
  });

  it('leads each edge from the bottom of the dependency to the top of the dependent', () => {
    const { boxes, edges } = layOut(node, size);
    expect(edges).toHaveLength(node.flatMap(({ needs }) => needs).length);
    for (const { from, to, points } of edges) {
      const [a, b] = [boxes.get(from)!, boxes.get(to)!];
      expect(points[0]).toEqual({ x: a.x + size.boxWidth / 2, y: a.y + size.boxHeight });
      expect(points.at(-1)).toEqual({ x: b.x + size.boxWidth / 2, y: b.y });
    }
    expect(edges.find(({ from }) => from === 'kubelet')?.whenLost).toBe('restart');
  });
});
