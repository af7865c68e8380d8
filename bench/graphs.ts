/** How the components of a trivial graph need each other. */
export type Shape = 'chain' | 'fan-out' | 'layered';

export const shapes: readonly Shape[] = ['chain', 'fan-out', 'layered'];

/** So many are in a layer, and each needs all of the layer before: what one component has to do with edges stays the same. */
const layer = 10;

/** Components of the same step can start and end together, those of the one before must be there. */
export function stepOf(shape: Shape, index: number): number {
  if (shape === 'chain') return index;
  return shape === 'fan-out' ? Math.min(index, 1) : Math.floor(index / layer);
}

/** The needs of `count` components, by index: `chain` in a row, `fan-out` all behind the first, `layered` ten by ten. */
export function needsOf(shape: Shape, index: number): number[] {
  if (index === 0) return [];
  if (shape === 'chain') return [index - 1];
  if (shape === 'fan-out') return [0];
  const first = Math.floor(index / layer) * layer;
  return first === 0 ? [] : Array.from({ length: layer }, (_, i) => first - layer + i);
}
