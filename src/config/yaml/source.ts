import type { Position } from './problems.ts';

/** What a config is read from, and where in it everything stands. */
export interface Source {
  /** Plain maps, lists and texts. */
  readonly root: unknown;
  /** Where the value at `path` stands: a text itself, a map or a list at its key; what is missing, where it should be. */
  readonly positionOf: (path: readonly PropertyKey[]) => Position;
  /** Where `key` of the map at `path` stands. */
  readonly positionOfKey: (path: readonly PropertyKey[], key: string) => Position;
  /** The text at `path` as it was written, before any replacement. */
  readonly sourceOf: (path: readonly PropertyKey[]) => string | undefined;
}

/** Where everything stands when there is no file. */
export const nowhere = (): Position => ({ line: 1, column: 1 });
