import { padEnd, truncate, width } from './text.ts';

/** A cell: its text, or its text with a style. The style receives the padded text and must not change its width. */
export type Cell = string | { readonly text: string; readonly style?: (text: string) => string };

export interface Column {
  /** Default `left`. */
  readonly align?: 'left' | 'right';
  /** Keeps a column from moving while its content changes. */
  readonly minWidth?: number;
  /** Spaces after the column. Default 2. */
  readonly gap?: number;
}

export interface TableOptions {
  /** By position. Columns without an entry have the defaults. */
  readonly columns?: readonly Column[];
  /** Spaces in front of each line. Default 0. */
  readonly indent?: number;
  /** Width of the terminal: longer lines end with an ellipsis. Default: no limit. */
  readonly maxWidth?: number;
}

/** Aligned lines, one per row, without trailing spaces. A row may have fewer cells than others. */
export function table(
  rows: readonly (readonly Cell[])[],
  { columns = [], indent = 0, maxWidth = Number.POSITIVE_INFINITY }: TableOptions = {},
): string[] {
  const widths: number[] = [];
  for (const row of rows) {
    for (const [i, cell] of row.entries())
      widths[i] = Math.max(widths[i] ?? columns[i]?.minWidth ?? 0, width(textOf(cell)));
  }
  return rows.map((row) => {
    const last = row.findLastIndex((cell) => textOf(cell) !== '');
    let line = '';
    let used = 0;
    let gap = indent;
    for (const [i, cell] of row.slice(0, last + 1).entries()) {
      const { align = 'left', gap: after = 2 } = columns[i] ?? {};
      const padded = pad(textOf(cell), i === last && align === 'left' ? 0 : (widths[i] ?? 0), align);
      const text = truncate(padded, maxWidth - used - gap);
      if (text === '' && padded !== '') break;
      line += ' '.repeat(gap) + (typeof cell === 'string' ? text : (cell.style?.(text) ?? text));
      if (text !== padded) break;
      used += gap + width(text);
      gap = after;
    }
    return line;
  });
}

function textOf(cell: Cell): string {
  return typeof cell === 'string' ? cell : cell.text;
}

function pad(text: string, columns: number, align: 'left' | 'right'): string {
  return align === 'left' ? padEnd(text, columns) : ' '.repeat(Math.max(0, columns - width(text))) + text;
}
