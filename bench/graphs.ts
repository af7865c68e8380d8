import { existsSync } from 'node:fs';
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** How the components of a trivial graph depend on each other. */
export type Shape = 'chain' | 'fan-out' | 'layered';

export const shapes: readonly Shape[] = ['chain', 'fan-out', 'layered'];

/** The size of a layer. Each of its components needs the whole layer before, so the number of edges per component is constant. */
const layerSize = 10;

/** The position of a component in the order of starts: those with the same one can start and stop concurrently. */
export function stepOf(shape: Shape, index: number): number {
  if (shape === 'chain') return index;
  return shape === 'fan-out' ? Math.min(index, 1) : Math.floor(index / layerSize);
}

/** The needs of a component, by index: in a `chain` the one before, in a `fan-out` the first, in `layered` the layer before. */
export function needsOf(shape: Shape, index: number): number[] {
  if (index === 0) return [];
  if (shape === 'chain') return [index - 1];
  if (shape === 'fan-out') return [0];
  const first = Math.floor(index / layerSize) * layerSize;
  return first === 0 ? [] : Array.from({ length: layerSize }, (_, i) => first - layerSize + i);
}

/**
 * Creates a folder for the logs of a graph, which the caller removes. In memory if possible: on some file systems creating a
 * file takes as long as everything else that is measured.
 */
export async function makeLogFolder(): Promise<string> {
  const memory = '/dev/shm';
  return mkdtemp(join(existsSync(memory) ? memory : tmpdir(), 'k8s-single-bench-'));
}
