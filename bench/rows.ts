/** At most this, or at most so many times the median of another competitor. */
type Goal = number | { readonly times: number; readonly of: string };

/** The values of one competitor, one per round. */
export interface Row {
  /** The section of the table, a colon and what was measured: `cold: node Ready`. */
  readonly row: string;
  readonly competitor: string;
  /** `ms`, `MB`, `%`, ...; empty for a bare number. */
  readonly unit: string;
  /** Infinity for what did not happen in time. */
  readonly values: readonly number[];
  /** What the median is to be: a ratio where it depends on how fast the machine is. */
  readonly goal?: Goal;
}

/** Collects values into rows, in the order of the first value of each. */
export class RowCollector {
  readonly #rows = new Map<string, Row & { readonly values: number[] }>();

  add(value: number, row: Omit<Row, 'values'>): void {
    const key = `${row.row}\n${row.competitor}`;
    const known = this.#rows.get(key);
    if (known === undefined) this.#rows.set(key, { ...row, values: [value] });
    else known.values.push(value);
  }

  rows(): Row[] {
    return [...this.#rows.values()];
  }
}

/** The rows, after those of other sections. */
export function withOthers(rows: readonly Row[], others: readonly Row[]): Row[] {
  const sectionOf = ({ row }: Row): string => row.split(':')[0]!;
  const sections = new Set(rows.map(sectionOf));
  return [...others.filter((other) => !sections.has(sectionOf(other))), ...rows];
}

/** A row with all its competitors. */
export interface Comparison {
  readonly section: string;
  readonly what: string;
  readonly unit: string;
  readonly goal: Goal | undefined;
  /** By competitor. */
  readonly values: ReadonlyMap<string, readonly number[]>;
}

/** Groups the rows by what they measure, in the order of the first of each. */
export function compared(rows: readonly Row[]): Comparison[] {
  const found = new Map<string, Comparison & { values: Map<string, readonly number[]> }>();
  for (const { row, competitor, unit, values, goal } of rows) {
    const [section = '', what = section] = row.split(/: (.*)/s);
    const known = found.get(row) ?? { section, what, unit, goal: undefined, values: new Map() };
    known.values.set(competitor, values);
    found.set(row, { ...known, goal: known.goal ?? goal });
  }
  return [...found.values()];
}

/** The median; the mean of the two middle values if their number is even. NaN of none. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = (sorted.length - 1) / 2;
  const [low, high] = [sorted[Math.floor(middle)] ?? NaN, sorted[Math.ceil(middle)] ?? NaN];
  return (low + high) / 2;
}

/** A value for people: `1.23 s`, `12.3 MB`, `never`. */
export function formatValue(value: number, unit: string): string {
  if (value === Infinity) return 'never';
  if (Number.isNaN(value)) return '?';
  if (unit === 'ms' && Math.abs(value) >= 1000) return `${(value / 1000).toFixed(2)} s`;
  const size = Math.abs(value);
  const decimals = Number.isInteger(value) || size >= 100 ? 0 : size >= 10 ? 1 : 2;
  return [value.toFixed(decimals), unit].filter(Boolean).join(' ');
}
