import { escape } from '../../lib/text/markup.ts';
import { formatMs } from '../../lib/text/text.ts';
import { phaseCss } from '../state/phases.ts';
import type { Phase } from '../state/state.ts';
import { criticalPathText, drawnPhases } from './timeline.ts';
import type { Timeline } from './timeline.ts';

/** The size of the rows, in px. */
export interface RowsSize {
  /** From 0 to the end of the boot. */
  readonly plotWidth: number;
  /** Where the first row begins, below the time axis. */
  readonly top: number;
}

/** One row per component, as parts of an SVG. */
export interface Rows {
  /** Where the plot begins, right of the names. */
  readonly left: number;
  readonly bottom: number;
  readonly parts: readonly string[];
}

const rowHeight = 26;
/** Approximate width of a character in the 13 px font. */
const characterWidth = 7.6;

const fill = (phase: string, colours: { readonly fill: string }): string => `.${phase}{fill:${colours.fill}}`;

/** The classes of {@link timelineRows}, for the light and the dark theme. */
export const rowStyles = `
text{font:13px ui-sans-serif,system-ui,sans-serif;fill:#1f2328}
.soft{fill:#656d76;font-size:11px}.critical{font-weight:600}.grid{stroke:#d0d7de;stroke-width:1}
${phaseCss('light', fill)}.starting.critical{fill:#0969da}
@media(prefers-color-scheme:dark){text{fill:#e6edf3}.soft{fill:#8d96a0}.grid{stroke:#30363d}
${phaseCss('dark', fill)}.starting.critical{fill:#79c0ff}}`;

/** In px. Phases differ in height, so that colour is not the only difference. */
export function barHeight(phase: Phase): number {
  return phase === 'waiting' ? 4 : phase === 'ready' ? 8 : 16;
}

/** The timeline's rows with their time axis. */
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
    .filter(({ phase }) => phase !== 'stopped')
    .map(({ component, phase, from, to }) => {
      const height = barHeight(phase);
      const width = Math.max(1, Number(x(to)) - Number(x(from))).toFixed(1);
      const size = `x="${x(from)}" y="${(middle.get(component) ?? 0) - height / 2}" width="${width}" height="${height}"`;
      const title = `${component} ${phase}: ${formatMs(to - from)}, from ${formatMs(from)} to ${formatMs(to)}`;
      const className = `${phase}${critical.has(component) ? ' critical' : ''}`;
      return `<rect class="${className}" ${size} rx="2"><title>${escape(title)}</title></rect>`;
    });
  const axis = ticks(ms, Math.floor(plotWidth / 50)).map(
    (at) =>
      `<line class="grid" x1="${x(at)}" x2="${x(at)}" y1="${top - 6}" y2="${bottom}"/>` +
      `<text class="soft" x="${x(at)}" y="${top - 10}" text-anchor="middle">${at / 1000} s</text>`,
  );
  return { left, bottom, parts: [...axis, ...names, ...bars] };
}

/** Round times, at most eight and at most `room` of them. */
function ticks(ms: number, room: number): number[] {
  const steps = [100, 200, 500, 1000, 2000, 5000, 10_000, 20_000, 30_000, 60_000, 120_000, 300_000, 600_000];
  const step = steps.find((each) => ms / each <= Math.min(8, room)) ?? ms;
  return Array.from({ length: Math.floor(ms / Math.max(1, step)) + 1 }, (_, index) => index * step);
}

const top = 46;
const plotWidth = 720;
const right = 70;

const styles = `${rowStyles}
.title{font-size:15px;font-weight:600}.back{fill:#fff}@media(prefers-color-scheme:dark){.back{fill:#0d1117}}`;

/** The boot as a self-contained picture without scripts: for a file, a slide, an <img>. */
export function timelineSvg(timeline: Timeline): string {
  const { left, bottom, parts } = timelineRows(timeline, { plotWidth, top });
  const width = Math.round(left + plotWidth + right);
  const height = bottom + 44;
  const headline = timelineHeadline(timeline);
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img" aria-label="${headline}">`,
    `<style>${styles}</style><rect class="back" width="100%" height="100%"/>`,
    `<text class="title" x="12" y="22">${headline}</text>`,
    ...legend(drawnPhases(timeline), left),
    ...parts,
    `<text class="soft" x="12" y="${bottom + 26}">critical path, in s: ${escape(criticalPathText(timeline.criticalPath))}</text>`,
    '</svg>\n',
  ].join('\n');
}

/** `Ready in 5.0 s`, or how long the boot has taken so far. */
export function timelineHeadline({ ready, ms }: Timeline): string {
  return `${ready ? 'Ready in' : 'Not ready after'} ${formatMs(ms)}`;
}

function legend(phases: readonly Phase[], left: number): string[] {
  return phases.map((phase, index) => {
    const x = left + plotWidth - 80 * (phases.length - index);
    return `<rect class="${phase}" x="${x.toFixed(1)}" y="8" width="10" height="10" rx="2"/><text class="soft" x="${(x + 15).toFixed(1)}" y="17">${phase}</text>`;
  });
}
