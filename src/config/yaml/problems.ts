import { Failure } from '../../lib/errors.ts';

/** A place in a file; both count from 1. */
export interface Position {
  readonly line: number;
  readonly column: number;
}

/** More than a person reads in one go. */
const shown = 50;

/** Everything wrong with a file, gathered so that a person can mend it all at once. */
export class Problems {
  readonly #file: string;
  readonly #found = new Map<string, { at: Position; message: string }>();

  constructor(file: string) {
    this.#file = file;
  }

  /** Notes a problem. Only the first at each place counts: the next is mostly a consequence of it. */
  add(at: Position, message: string): void {
    const key = `${at.line}:${at.column}`;
    if (!this.#found.has(key)) this.#found.set(key, { at, message });
  }

  /** @throws Failure `usage` with one `file:line:column: message` for each problem, in the order of the file. */
  throwIfAny(): void {
    if (this.#found.size === 0) return;
    const found = [...this.#found.values()]
      .sort((a, b) => a.at.line - b.at.line || a.at.column - b.at.column)
      .map(({ at, message }) => `${this.#file}:${at.line}:${at.column}: ${message}`);
    const more = found.length > shown ? [`… and ${found.length - shown} more`] : [];
    throw new Failure('usage', [...found.slice(0, shown), ...more].join('\n'));
  }
}
