import type { Progress } from './progress.ts';
import type { ComponentState, PhaseName, State } from '../state/state.ts';
import type { Style } from './style.ts';
import { formatMs, oneLine, padEnd, truncate, width } from '../../lib/text/text.ts';

/** What a frame is drawn from. Times in ms since the epoch. */
export interface Picture {
  readonly state: State;
  readonly progress: readonly Progress[];
  /** Below the table. */
  readonly footer: readonly string[];
  readonly now: number;
  readonly columns: number;
  /** Lines there are room for; what does not fit is counted, what is not ready comes first. */
  readonly rows: number;
  readonly style: Style;
}

const spinner = '⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏';
const symbols: Record<PhaseName, [symbol: string, colour: Parameters<Style>[0]]> = {
  waiting: ['·', 'dim'],
  starting: ['', 'cyan'],
  ready: ['✓', 'green'],
  down: ['!', 'yellow'],
  stopping: ['', 'yellow'],
  stopped: ['-', 'dim'],
  failed: ['✗', 'red'],
};

/** The lines of one frame, none wider than the terminal. */
export function frame(picture: Picture): string[] {
  const { state, progress, footer, rows } = picture;
  const components = [...state.values()];
  const names = [...components.map(({ name }) => name), ...progress.map(({ label }) => label)];
  const column = Math.max(0, ...names.map(width));
  const room = Math.max(1, rows - footer.length - progress.length);
  const shown = mostWorthShowing(components, room);
  const hidden = leftOut(components, shown);
  return [
    ...progress.map((one) => progressLine(one, column, picture)),
    ...shown.map((one) => componentLine(one, column, picture)),
    ...(hidden.length > 0 ? [fit(`  and ${hidden.length} more, ${countPhases(hidden)}`, picture)] : []),
    ...footer.map((text) => fit(`  ${text}`, picture)),
  ];
}

function componentLine(component: ComponentState, column: number, picture: Picture): string {
  const [symbol, colour] = symbols[component.is];
  const start = [
    padEnd(component.name, column),
    component.is.padEnd(8),
    elapsed(component, picture.now).padStart(9),
  ];
  return line(symbol || spin(picture.now), colour, start.join('  '), why(component, picture.now), picture);
}

function progressLine({ label, detail, elapsedMs }: Progress, column: number, picture: Picture): string {
  const start = `${padEnd(label, column)}  ${' '.repeat(8)}${formatMs(elapsedMs).padStart(11)}`;
  return line(spin(picture.now), 'cyan', start, detail ?? '', picture);
}

function line(
  symbol: string,
  colour: Parameters<Style>[0],
  start: string,
  rest: string,
  picture: Picture,
): string {
  const { style, columns } = picture;
  const head = truncate(`  ${start}`, columns - 3);
  const tail = truncate(oneLine(rest), columns - 5 - width(head));
  const row = `  ${style(colour, symbol)}${head.slice(1)}`;
  return tail === '' ? row.trimEnd() : `${row}  ${style('dim', tail)}`;
}

/** Time to ready where it is ready, otherwise the time it has been as it is. */
function elapsed(component: ComponentState, now: number): string {
  if (component.is === 'waiting' || component.is === 'stopped') return '';
  return formatMs(component.is === 'ready' ? component.ms : now - component.since);
}

/** Why a component is not ready, or what is worth knowing of one that is. */
export function why(component: ComponentState, now: number): string {
  const { is, reason, restarts } = component;
  const again = restarts > 0 ? `${restarts} restart${restarts === 1 ? '' : 's'}` : '';
  if (is === 'waiting') return component.on.length > 0 ? `for ${component.on.join(', ')}` : '';
  if (is === 'ready') return again;
  if (is !== 'down') return [again, reason].filter(Boolean).join(', ');
  const left = component.nextAt === undefined ? undefined : Math.max(0, component.nextAt - now);
  return [reason, left === undefined ? '' : `again in ${formatMs(left)}`].filter(Boolean).join(', ');
}

function mostWorthShowing(components: readonly ComponentState[], room: number): readonly ComponentState[] {
  if (components.length <= room) return components;
  const order: readonly PhaseName[] = [
    'failed',
    'down',
    'starting',
    'stopping',
    'waiting',
    'stopped',
    'ready',
  ];
  const ranked = order.flatMap((phase) => components.filter(({ is }) => is === phase));
  const chosen = new Set(ranked.slice(0, Math.max(0, room - 1)));
  return components.filter((component) => chosen.has(component));
}

function leftOut(
  components: readonly ComponentState[],
  shown: readonly ComponentState[],
): readonly ComponentState[] {
  if (shown.length === components.length) return [];
  const there = new Set(shown);
  return components.filter((component) => !there.has(component));
}

function countPhases(components: readonly ComponentState[]): string {
  const phases = [...new Set(components.map(({ is }) => is))];
  return phases.map((phase) => `${components.filter(({ is }) => is === phase).length} ${phase}`).join(', ');
}

function fit(text: string, { columns, style }: Picture): string {
  return style('dim', truncate(text, columns - 1));
}

function spin(now: number): string {
  return spinner[Math.floor(now / 250) % spinner.length]!;
}
