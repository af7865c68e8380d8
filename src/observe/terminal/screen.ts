import { stripVTControlCharacters } from 'node:util';
import { width } from '../../lib/text/text.ts';

/** Where to draw: a terminal's stream. */
export interface Terminal {
  write(text: string): unknown;
  readonly columns?: number | undefined;
  readonly rows?: number | undefined;
}

const eraseToEndOfLine = '\u001b[K';
const eraseBelow = '\u001b[J';

/** The bottom lines of a terminal, drawn over in place; lines that are to stay scroll away above them. */
export class Screen {
  readonly #terminal: Terminal;
  #drawn: readonly string[] = [];

  constructor(terminal: Terminal) {
    this.#terminal = terminal;
  }

  /** Replaces the last frame, with `kept` above it for good. One write, nothing erased first: no flicker. */
  draw(lines: readonly string[], kept: readonly string[] = []): void {
    if (
      kept.length === 0 &&
      lines.length === this.#drawn.length &&
      lines.every((line, i) => line === this.#drawn[i])
    )
      return;
    const text = [...kept, ...lines].map((line) => `${line}${eraseToEndOfLine}\n`).join('');
    this.#terminal.write(`${this.#home()}${text}${eraseBelow}`);
    this.#drawn = lines;
  }

  /** Back to the first line of the last frame; a terminal made narrower has wrapped its lines. */
  #home(): string {
    const columns = this.#terminal.columns ?? 80;
    const rows = this.#drawn.map((line) =>
      Math.max(1, Math.ceil(width(stripVTControlCharacters(line)) / columns)),
    );
    const up = Math.min(
      rows.reduce((sum, count) => sum + count, 0),
      (this.#terminal.rows ?? 24) - 1,
    );
    return up > 0 ? `\u001b[${up}A\r` : '';
  }
}
