import { escape } from '../../lib/text/markup.ts';
import type { PhaseName } from '../state/state.ts';
import { formatMs } from '../../lib/text/text.ts';
import type { Timeline } from './timeline.ts';

/** How large the rows are drawn, in px. */
export interface RowsSize {
  /** From 0 to the end of the boot. */
  readonly plotWidth: number;
  /** Where the first row begins; the marks of time are above. */
  readonly top: number;
}

/** A row for each component, as parts of an SVG. */
export interface Rows {
  /** Where the plot begins, after the names. */
  readonly left: number;
  readonly bottom: number;
  readonly parts: readonly string[];
}

const rowHeight = 26;
/** Width of a character of the 13 px font, roughly. */
const characterWidth = 7.6;

/** The phases differ in height as they do in colour. In px. */
export function barHeight(is: PhaseName): number {
  return is === 'waiting' ? 4 : is === 'ready' ? 8 : 16;
}

/** The classes that {@link timelineRows} uses; light or dark as the reader's system is. */
export const rowStyles = `
text{font:13px ui-sans-serif,system-ui,sans-serif;fill:#1f2328}
.soft{fill:#656d76;font-size:11px}.critical{font-weight:600}.grid{stroke:#d0d7de;stroke-width:1}
.waiting{fill:#8c959f}.starting{fill:#54aeff}.ready{fill:#4ac26b}.down{fill:#d4a72c}.stopping,.stopped{fill:#afb8c1}.failed{fill:#cf222e}
.starting.critical{fill:#0969da}
@media(prefers-color-scheme:dark){text{fill:#e6edf3}.soft{fill:#8d96a0}.grid{stroke:#30363d}
.waiting{fill:#6e7681}.starting{fill:#1f6feb}.starting.critical{fill:#79c0ff}.ready{fill:#2ea043}}`;

export function timelineRows(timeline: Timeline, { plotWidth, top }: RowsSize): Rows {
  const { components, spans, ms, criticalPath } = timeline;
  const left = 24 + characterWidth * Math.max(0, ...components.map((name) => name.length));
  const bottom = top + rowHeight * components.length;
  const x = (at: number): string => (left + (plotWidth * at) / Math.max(1, ms)).toFixed(1);
  const critical = new Set(criticalPath.map(({ component }) => component));
  const middle = new Map(components.map((name, index) => [name, top + rowHeight * index + 12]));
  const names = components.map((name) => {
    const className = critical.has(name) ? ' class="critical"' : '';
    return `<text x="${(left - 12).toFixed(1)}" y="${middle.get(name)! + 4}" text-anchor="end"${className}>${escape(name)}</text>`;
  });
  const bars = spans
    .filter(({ is }) => is !== 'stopped')
    .map(({ component, is, from, to }) => {
      const height = barHeight(is);
      const width = Math.max(1, Number(x(to)) - Number(x(from))).toFixed(1);
      const size = `x="${x(from)}" y="${(middle.get(component) ?? 0) - height / 2}" width="${width}" height="${height}"`;
      const title = `${component} ${is}: ${formatMs(to - from)}, from ${formatMs(from)} to ${formatMs(to)}`;
      const className = `${is}${critical.has(component) ? ' critical' : ''}`;
      return `<rect class="${className}" ${size} rx="2"><title>${escape(title)}</title></rect>`;
    });
  const lines = ticks(ms, Math.floor(plotWidth / 50)).map(
    (at) =>
      `<line class="grid" x1="${x(at)}" x2="${x(at)}" y1="${top - 6}" y2="${bottom}"/>` +
      `<text class="soft" x="${x(at)}" y="${top - 10}" text-anchor="middle">${at / 1000} s</text>`,
  );
  return { left, bottom, parts: [...lines, ...names, ...bars] };
}

/** At most eight round marks, or as many as there is room for. */
function ticks(ms: number, room: number): number[] {
  const steps = [100, 200, 500, 1000, 2000, 5000, 10_000, 20_000, 30_000, 60_000, 120_000, 300_000, 600_000];
  const step = steps.find((each) => ms / each <= Math.min(8, room)) ?? ms;
  return Array.from({ length: Math.floor(ms / Math.max(1, step)) + 1 }, (_, index) => index * step);
}
