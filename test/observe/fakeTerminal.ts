import { Writable } from 'node:stream';

/** A control sequence, a colour, or one character. */
// oxlint-disable-next-line no-control-regex -- terminals are controlled by control characters
const sequences = /\u001b\[(\d*)([A-Z])|\u001b\[\d*m|[^\u001b]/gsu;

/** A terminal that wraps, scrolls, moves its cursor up and erases. Colours are dropped. */
export class FakeTerminal extends Writable {
  readonly isTTY = true;
  columns: number;
  rows: number;
  /** Everything written, unchanged. */
  raw = '';
  readonly #lines: string[] = [''];
  #row = 0;
  #column = 0;

  constructor(columns = 80, rows = 24) {
    super({ decodeStrings: false });
    this.columns = columns;
    this.rows = rows;
  }

  override _write(text: string, _encoding: string, done: () => void): void {
    this.raw += text;
    for (const [part, count, command] of text.matchAll(sequences)) {
      if (command !== undefined) this.#execute(command, Number(count || 1));
      else if (part === '\n') this.#down();
      else if (part === '\r') this.#column = 0;
      else if (!part.startsWith('\u001b')) this.#put(part);
    }
    done();
  }

  /** All lines, also those that have scrolled away. A spinner is a `~`. */
  get screen(): string {
    const lines = this.#lines.map((line) => line.trimEnd());
    return lines
      .join('\n')
      .trimEnd()
      .replace(/[⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏]/gu, '~');
  }

  #execute(command: string, count: number): void {
    const top = Math.max(0, this.#lines.length - this.rows);
    if (command === 'A') this.#row = Math.max(top, this.#row - count);
    const line = this.#lines[this.#row] ?? '';
    if (command === 'K' || command === 'J') this.#lines[this.#row] = line.slice(0, this.#column);
    if (command === 'J') this.#lines.length = this.#row + 1;
  }

  #put(character: string): void {
    if (this.#column === this.columns) this.#down();
    const line = (this.#lines[this.#row] ?? '').padEnd(this.#column);
    this.#lines[this.#row] = line.slice(0, this.#column) + character + line.slice(this.#column + 1);
    this.#column += 1;
  }

  #down(): void {
    this.#row += 1;
    this.#column = 0;
    this.#lines[this.#row] ??= '';
  }
}
