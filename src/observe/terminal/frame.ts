import { table } from '../../lib/text/table.ts';
import type { Cell, Column } from '../../lib/text/table.ts';
import { formatMs, oneLine, truncate, width } from '../../lib/text/text.ts';
import { describeReason } from '../state/describe.ts';
import { phaseStyles } from '../state/phases.ts';
import type { ComponentState, Phase, State } from '../state/state.ts';
import type { Colour, Style } from './style.ts';
import type { Progress } from './view.ts';

/** The content of a frame. Times in ms since the epoch. */
export interface FrameContent {
  readonly state: State;
  readonly progress: readonly Progress[];
  /** Below the table. */
  readonly footer: readonly string[];
  readonly now: number;
  readonly columns: number;
  /** The number of lines available. Components that do not fit are counted; ready ones are left out first. */
  readonly rows: number;
  readonly style: Style;
}

const spinner = '⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏';

/** Components in these phases are shown first when there are too many. */
const byImportance: readonly Phase[] = [
  'failed',
  'down',
  'starting',
  'stopping',
  'waiting',
  'stopped',
  'ready',
];

/** The lines of one frame, none wider than the terminal. */
export function frame(content: FrameContent): string[] {
  const { state, progress, footer, now, columns, rows, style } = content;
  const components = [...state.values()];
  const names = [...components.map(({ name }) => name), ...progress.map(({ label }) => label)];
  const shown = mostImportant(components, Math.max(1, rows - footer.length - progress.length));
  const below = [...(shown.size < components.length ? [countHidden(components, shown)] : []), ...footer];
  const lines = [
    ...progress.map(({ label, detail = '', elapsedMs, transfer }) =>
      row(spin(now), 'cyan', [label, '', formatMs(elapsedMs)], bar(transfer) + detail, style),
    ),
    ...[...shown].map((component) => {
      const { mark, colour } = phaseStyles[component.phase];
      const cells = [component.name, component.phase, elapsed(component, now)];
      return row(mark || spin(now), colour, cells, describeReason(component, now), style);
    }),
  ];
  const layout: Column[] = [
    { gap: 1 },
    { minWidth: Math.max(0, ...names.map(width)) },
    { minWidth: 8 },
    { align: 'right', minWidth: 9 },
  ];
  return [
    ...table(lines, { columns: layout, indent: 2, maxWidth: columns - 1 }),
    ...below.map((text) => style('dim', truncate(`  ${text}`.trimEnd(), columns - 1))),
  ];
}

function row(mark: string, colour: Colour, cells: readonly string[], reason: string, style: Style): Cell[] {
  return [
    { text: mark, style: (text) => style(colour, text) },
    ...cells,
    { text: oneLine(reason), style: (text) => style('dim', text) },
  ];
}

/** The time to ready, or the time in the current phase. */
function elapsed(component: ComponentState, now: number): string {
  if (component.phase === 'waiting' || component.phase === 'stopped') return '';
  return formatMs(component.phase === 'ready' ? component.ms : now - component.since);
}

/** All components if they fit, otherwise as many as fit beside the line that counts the rest. In display order. */
function mostImportant(components: readonly ComponentState[], room: number): ReadonlySet<ComponentState> {
  if (components.length <= room) return new Set(components);
  const ranked = byImportance.flatMap((phase) => components.filter((each) => each.phase === phase));
  const chosen = new Set(ranked.slice(0, Math.max(0, room - 1)));
  return new Set(components.filter((component) => chosen.has(component)));
}

function countHidden(components: readonly ComponentState[], shown: ReadonlySet<ComponentState>): string {
  const hidden = components.filter((component) => !shown.has(component)).map(({ phase }) => phase);
  const counts = [...new Set(hidden)].map(
    (phase) => `${hidden.filter((other) => other === phase).length} ${phase}`,
  );
  return `and ${hidden.length} more: ${counts.join(', ')}`;
}

const barWidth = 10;

/** How far a transfer is, with what follows after it; empty while its size is not known. */
function bar(transfer: Progress['transfer']): string {
  if (transfer?.total === undefined || transfer.total === 0) return '';
  const share = Math.min(1, transfer.bytes / transfer.total);
  const full = Math.floor(share * barWidth);
  const percent = String(Math.floor(share * 100)).padStart(3);
  return `${'█'.repeat(full)}${'░'.repeat(barWidth - full)} ${percent} %  `;
}

function spin(now: number): string {
  return spinner[Math.floor(now / 250) % spinner.length]!;
}
