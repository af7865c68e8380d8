import { compared, formatValue } from './row.ts';
import type { Comparison, Row } from './row.ts';
import { median } from './statistics.ts';

/** A Markdown table for each section: the medians, and in brackets how many times the first contestant's they are. */
export function tables(rows: readonly Row[]): string {
  const comparisons = compared(rows);
  const sections = [...new Set(comparisons.map(({ section }) => section))];
  const inside = (name: string): Comparison[] => comparisons.filter(({ section }) => section === name);
  return sections.map((name) => table(name, inside(name))).join('\n');
}

function table(section: string, comparisons: readonly Comparison[]): string {
  const contestants = [...new Set(comparisons.flatMap(({ values }) => [...values.keys()]))];
  const hasGoal = comparisons.some(({ goal }) => goal !== undefined);
  const lines = comparisons.map((comparison) => [
    comparison.what,
    ...contestants.map((name) => cell(comparison, name)),
    ...(hasGoal ? [goalOf(comparison)] : []),
  ]);
  return aligned([section, ...contestants, ...(hasGoal ? ['goal'] : [])], lines);
}

function cell({ values, unit }: Comparison, contestant: string): string {
  const [first, measure] = [[...values.keys()][0], values.get(contestant)];
  if (measure === undefined || measure.length === 0) return '';
  const value = median(measure);
  const ratio = value / median(values.get(first ?? '') ?? []);
  const shown = formatValue(value, unit);
  return contestant === first || !Number.isFinite(ratio) ? shown : `${shown} (${ratio.toFixed(2)})`;
}

function goalOf({ goal, unit, values }: Comparison): string {
  if (goal === undefined) return '';
  const [own = []] = values.values();
  return `${formatValue(goal, unit)}: ${median(own) <= goal ? 'met' : 'missed'}`;
}

/** As oxfmt formats it: text to the left, numbers to the right. */
function aligned(head: readonly string[], lines: readonly (readonly string[])[]): string {
  const widths = head.map((_, column) =>
    Math.max(3, ...[head, ...lines].map((line) => line[column]!.length)),
  );
  const pad = (text: string, column: number): string =>
    column === 0 ? text.padEnd(widths[column]!) : text.padStart(widths[column]!);
  const rule = widths.map((width, column) =>
    column === 0 ? '-'.repeat(width) : `${'-'.repeat(width - 1)}:`,
  );
  const shown = [head, rule, ...lines].map((line) => `| ${line.map(pad).join(' | ')} |`);
  return `${shown.join('\n')}\n`;
}
