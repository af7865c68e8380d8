import { compared, formatValue, median } from './rows.ts';
import type { Comparison, Row } from './rows.ts';

/**
 * A Markdown table for each section, with the most values that one of its medians is of: the medians, and in brackets the ratio to
 * that of the first competitor.
 */
export function tables(rows: readonly Row[]): string {
  const comparisons = compared(rows);
  const sections = [...new Set(comparisons.map(({ section }) => section))];
  return sections
    .map((name) =>
      table(
        name,
        comparisons.filter(({ section }) => section === name),
      ),
    )
    .join('\n');
}

function table(section: string, comparisons: readonly Comparison[]): string {
  const competitors = [...new Set(comparisons.flatMap(({ values }) => [...values.keys()]))];
  const hasGoal = comparisons.some(({ goal }) => goal !== undefined);
  const lines = comparisons.map((comparison) => [
    comparison.what,
    ...competitors.map((name) => cell(comparison, name)),
    ...(hasGoal ? [goalOf(comparison)] : []),
  ]);
  const most = Math.max(
    ...comparisons.flatMap(({ values }) => [...values.values()].map(({ length }) => length)),
  );
  return aligned([`${section} (${most})`, ...competitors, ...(hasGoal ? ['goal'] : [])], lines);
}

function cell({ values, unit }: Comparison, competitor: string): string {
  const [first = ''] = values.keys();
  const own = values.get(competitor) ?? [];
  if (own.length === 0) return '';
  const value = median(own);
  const ratio = value / median(values.get(first) ?? []);
  const text = formatValue(value, unit);
  return competitor === first || !Number.isFinite(ratio) ? text : `${text} (${ratio.toFixed(2)})`;
}

function goalOf({ goal, unit, values }: Comparison): string {
  if (goal === undefined) return '';
  const [own = []] = values.values();
  const isRatio = typeof goal !== 'number';
  const limit = isRatio ? goal.times * median(values.get(goal.of) ?? []) : goal;
  // What it is compared with was not measured.
  if (Number.isNaN(limit)) return '';
  const text = isRatio ? `${goal.times} of ${goal.of}` : formatValue(goal, unit);
  return `${text}: ${median(own) <= limit ? 'met' : 'missed'}`;
}

/** Formatted as by oxfmt: the first column aligned left, the others right. */
function aligned(head: readonly string[], lines: readonly (readonly string[])[]): string {
  const widths = head.map((_, column) =>
    Math.max(3, ...[head, ...lines].map((line) => line[column]!.length)),
  );
  const pad = (text: string, column: number): string =>
    column === 0 ? text.padEnd(widths[column]!) : text.padStart(widths[column]!);
  const rule = widths.map((width, column) =>
    column === 0 ? '-'.repeat(width) : `${'-'.repeat(width - 1)}:`,
  );
  const text = [head, rule, ...lines].map((line) => `| ${line.map(pad).join(' | ')} |`);
  return `${text.join('\n')}\n`;
}
