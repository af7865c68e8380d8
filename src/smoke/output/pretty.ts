import { Screen, type Terminal } from '../../observe/terminal/screen.ts';
import type { Style } from '../../observe/terminal/style.ts';
import { formatMs, oneLine, padEnd, truncate } from '../../lib/text/text.ts';
import { tick } from '../../observe/terminal/ticker.ts';
import type { Result } from '../check.ts';
import { tally, type View } from './view.ts';

/** The current state of a check. */
type Row =
  | { readonly outcome: 'pending' }
  | { readonly outcome: 'running'; readonly since: number; readonly reason: string }
  | Result;

const symbols = {
  pending: ['·', 'dim'],
  running: ['›', 'cyan'],
  passed: ['✓', 'green'],
  failed: ['✗', 'red'],
  skipped: ['-', 'yellow'],
} as const;

export interface PrettyOptions {
  readonly names: readonly string[];
  readonly style: Style;
  /** Redraw the table in place. Otherwise print a line for each check when it ends. */
  readonly inPlace: boolean;
}

/**
 * For people: a line for each check with its time, and the reason unless it passed. Evidence follows below.
 */
export function prettyView(terminal: Terminal, { names, style, inPlace }: PrettyOptions): View {
  const rows = new Map<string, Row>(names.map((name) => [name, { outcome: 'pending' }]));
  const column = Math.max(...names.map((name) => name.length));
  const screen = new Screen(terminal);
  const draw = (): void => {
    const lines = [...rows].map(([name, row]) => line(name, row, terminal.columns ?? 80));
    if (inPlace) screen.draw(lines);
  };
  const line = (name: string, row: Row, columns: number): string => {
    const [symbol, colour] = symbols[row.outcome];
    const start = `  ${symbol} ${padEnd(name, column)}  ${elapsed(row).padStart(9)}`;
    const reason = 'reason' in row ? oneLine(row.reason) : '';
    const head = `  ${style(colour, symbol)}${start.slice(3)}`;
    return `${head}  ${style('dim', truncate(reason, columns - start.length - 3))}`.trimEnd();
  };
  const ticker = tick(draw);
  draw();
  return {
    started: (name) => {
      rows.set(name, { outcome: 'running', since: performance.now(), reason: '' });
      draw();
    },
    waiting: (name, reason) => {
      const row = rows.get(name);
      if (row?.outcome === 'running') rows.set(name, { ...row, reason });
    },
    ended: (result) => {
      rows.set(result.check, result);
      if (inPlace) draw();
      else terminal.write(`${line(result.check, result, Number.POSITIVE_INFINITY)}\n`);
    },
    end: (results, ms, interrupted) => {
      ticker[Symbol.dispose]();
      draw();
      const text = results.flatMap((result) => explanation(result, style));
      const verdict = interrupted === undefined ? summary(results, ms) : `interrupted by ${interrupted}`;
      terminal.write(`${[...text, '', `  ${verdict}`].join('\n')}\n`);
    },
  };
}

function elapsed(row: Row): string {
  if (row.outcome === 'pending' || row.outcome === 'skipped') return '';
  return formatMs(row.outcome === 'running' ? performance.now() - row.since : row.ms);
}

function explanation(result: Result, style: Style): string[] {
  if (result.outcome !== 'failed') return [];
  const title = `  ${style('red', '✗')} ${style('bold', result.check)}: ${oneLine(result.reason)}`;
  return ['', title, ...result.evidence.map((each) => `      ${oneLine(each)}`)];
}

function summary(results: readonly Result[], ms: number): string {
  const { passed, failed, skipped } = tally(results);
  const more = [failed > 0 ? `, ${failed} failed` : '', skipped > 0 ? `, ${skipped} skipped` : ''];
  return `${passed} passed${more.join('')} in ${formatMs(ms)}`;
}
