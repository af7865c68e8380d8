import { stripVTControlCharacters } from 'node:util';
import { width } from '../../lib/text/text.ts';

/** A terminal's output stream. */
export interface Terminal {
  write(text: string): unknown;
  readonly columns?: number | undefined;
  readonly rows?: number | undefined;
}

/** A terminal that reports changes of its size, as `process.stderr` does. */
export interface ResizableTerminal extends Terminal {
  on?(event: 'resize', listener: () => void): unknown;
  off?(event: 'resize', listener: () => void): unknown;
}

const eraseToEndOfLine = '\u001b[K';
const eraseBelow = '\u001b[J';

/** The bottom lines of a terminal, redrawn in place. Permanent lines scroll away above them. */
export class Screen {
  readonly #terminal: Terminal;
  #drawn: readonly string[] = [];

  constructor(terminal: Terminal) {
    this.#terminal = terminal;
  }

  /** Replaces the last frame and puts `permanent` lines above it. One write, nothing erased first: no flicker. */
  draw(lines: readonly string[], permanent: readonly string[] = []): void {
    if (
      permanent.length === 0 &&
      lines.length === this.#drawn.length &&
      lines.every((line, i) => line === this.#drawn[i])
    )
      return;
    const text = [...permanent, ...lines].map((line) => `${line}${eraseToEndOfLine}\n`).join('');
    this.#terminal.write(`${this.#home()}${text}${eraseBelow}`);
    this.#drawn = lines;
  }

  /** Moves to the first line of the last frame. Its lines have wrapped if the terminal became narrower. */
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
