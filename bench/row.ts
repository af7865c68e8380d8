/** What was measured of one contestant, in every round. */
export interface Row {
  /** The section of the table, a colon and what was measured: `cold: node Ready`. */
  readonly row: string;
  readonly contestant: string;
  /** `ms`, `MB`, `%`, ...; empty for a bare number. */
  readonly unit: string;
  /** Infinity for what never came. */
  readonly values: readonly number[];
  /** The most that is good enough. */
  readonly goal?: number;
}

/** A row with all its contestants. */
export interface Comparison {
  readonly section: string;
  readonly what: string;
  readonly unit: string;
  readonly goal: number | undefined;
  /** By contestant. */
  readonly values: ReadonlyMap<string, readonly number[]>;
}

/** The rows that measure the same, together, in the order of the first of each. */
export function compared(rows: readonly Row[]): Comparison[] {
  const found = new Map<string, Comparison & { values: Map<string, readonly number[]> }>();
  for (const { row, contestant, unit, values, goal } of rows) {
    const [section = '', what = section] = row.split(/: (.*)/s);
    const known = found.get(row) ?? { section, what, unit, goal: undefined, values: new Map() };
    known.values.set(contestant, values);
    found.set(row, { ...known, goal: known.goal ?? goal });
  }
  return [...found.values()];
}

/** A value as people read it. */
export function formatValue(value: number, unit: string): string {
  if (value === Infinity) return 'never';
  if (Number.isNaN(value)) return '?';
  if (unit === 'ms' && Math.abs(value) >= 1000) return `${(value / 1000).toFixed(2)} s`;
  const size = Math.abs(value);
  const decimals = Number.isInteger(value) || size >= 100 ? 0 : size >= 10 ? 1 : 2;
  return [value.toFixed(decimals), unit].filter(Boolean).join(' ');
}
