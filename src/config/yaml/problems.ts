import { Failure } from '../../lib/errors.ts';

/** A position in a file; both numbers start at 1. */
export interface Position {
  readonly line: number;
  readonly column: number;
}

/** The position of everything in a config without a file. */
export const nowhere = (): Position => ({ line: 1, column: 1 });

/** The most problems shown at once. */
const maxShown = 50;

/** All errors in a file, collected so that the user can fix them all at once. */
export class Problems {
  readonly #file: string;
  readonly #found = new Map<string, { at: Position; message: string }>();

  constructor(file: string) {
    this.#file = file;
  }

  /** Adds a problem. Only the first at each position is kept: the next one is usually a consequence. */
  add(at: Position, message: string): void {
    const key = `${at.line}:${at.column}`;
    if (!this.#found.has(key)) this.#found.set(key, { at, message });
  }

  /** @throws Failure `usage` with one `file:line:column: message` per problem, in the order of the file. */
  throwIfAny(): void {
    if (this.#found.size === 0) return;
    const found = [...this.#found.values()]
      .sort((a, b) => a.at.line - b.at.line || a.at.column - b.at.column)
      .map(({ at, message }) => `${this.#file}:${at.line}:${at.column}: ${message}`);
    const more = found.length > maxShown ? [`… and ${found.length - maxShown} more`] : [];
    throw new Failure('usage', [...found.slice(0, maxShown), ...more].join('\n'));
  }
}
