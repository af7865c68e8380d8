import { criticalPathText, drawnPhases } from './timeline.ts';
import type { Timeline } from './timeline.ts';
import type { PhaseName } from './state.ts';
import { formatMs } from './text.ts';

const rowHeight = 26;
const barHeight = 16;
const top = 46;
const plotWidth = 720;
const right = 70;
/** Width of a character of the 13 px font, roughly. */
const characterWidth = 7.6;

/** No script, nothing from elsewhere; light or dark as the reader's system is. */
const styles = `
text{font:13px ui-sans-serif,system-ui,sans-serif;fill:#1f2328}.title{font-size:15px;font-weight:600}
.soft{fill:#656d76;font-size:11px}.critical{font-weight:600}.grid{stroke:#d0d7de;stroke-width:1}.back{fill:#fff}
.waiting{fill:#d0d7de}.starting{fill:#54aeff}.ready{fill:#aceebb}.down{fill:#d4a72c}.stopping,.stopped{fill:#afb8c1}.failed{fill:#cf222e}
.starting.critical{fill:#0969da}
@media(prefers-color-scheme:dark){text{fill:#e6edf3}.soft{fill:#8d96a0}.grid{stroke:#30363d}.back{fill:#0d1117}
.waiting{fill:#30363d}.starting{fill:#1f6feb}.starting.critical{fill:#79c0ff}.ready{fill:#1b4721}}`;

/** One picture of the boot that stands on its own: a file, a slide, an <img>. */
export function timelineSvg(timeline: Timeline): string {
  const { components, spans, ms, criticalPath } = timeline;
  const left = 24 + characterWidth * Math.max(0, ...components.map((name) => name.length));
  const width = Math.round(left + plotWidth + right);
  const height = top + rowHeight * components.length + 44;
  const bottom = top + rowHeight * components.length;
  const x = (at: number): string => (left + (plotWidth * at) / Math.max(1, ms)).toFixed(1);
  const critical = new Set(criticalPath.map(({ component }) => component));
  const y = new Map(components.map((name, index) => [name, top + rowHeight * index]));
  const names = components.map((name) => {
    const className = critical.has(name) ? ' class="critical"' : '';
    return `<text x="${(left - 12).toFixed(1)}" y="${(y.get(name) ?? 0) + 16}" text-anchor="end"${className}>${escape(name)}</text>`;
  });
  const bars = spans
    .filter(({ is }) => is !== 'stopped')
    .map(({ component, is, from, to }) => {
      const size = `x="${x(from)}" y="${(y.get(component) ?? 0) + 4}" width="${Math.max(1, Number(x(to)) - Number(x(from))).toFixed(1)}" height="${barHeight}"`;
      const title = `${component} ${is}: ${formatMs(to - from)}, from ${formatMs(from)} to ${formatMs(to)}`;
      const className = `${is}${critical.has(component) ? ' critical' : ''}`;
      return `<rect class="${className}" ${size} rx="2"><title>${escape(title)}</title></rect>`;
    });
  const lines = ticks(ms).map(
    (at) =>
      `<line class="grid" x1="${x(at)}" x2="${x(at)}" y1="${top - 6}" y2="${bottom}"/>` +
      `<text class="soft" x="${x(at)}" y="${top - 10}" text-anchor="middle">${at / 1000} s</text>`,
  );
  const headline = `${timeline.ready ? 'Ready in' : 'Not ready after'} ${formatMs(ms)}`;
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img" aria-label="${headline}">`,
    `<style>${styles}</style><rect class="back" width="100%" height="100%"/>`,
    `<text class="title" x="12" y="22">${headline}</text>`,
    ...legend(drawnPhases(timeline), left),
    ...lines,
    ...names,
    ...bars,
    `<text class="soft" x="12" y="${bottom + 26}">critical path, in s: ${escape(criticalPathText(criticalPath))}</text>`,
    '</svg>\n',
  ].join('\n');
}

/** What the colours mean, of those that are there. */
function legend(phases: readonly PhaseName[], left: number): string[] {
  return phases.map((is, index) => {
    const x = left + plotWidth - 80 * (phases.length - index);
    return `<rect class="${is}" x="${x.toFixed(1)}" y="8" width="10" height="10" rx="2"/><text class="soft" x="${(x + 15).toFixed(1)}" y="17">${is}</text>`;
  });
}

/** At most eight round marks. */
function ticks(ms: number): number[] {
  const steps = [100, 200, 500, 1000, 2000, 5000, 10_000, 20_000, 30_000, 60_000, 120_000, 300_000, 600_000];
  const step = steps.find((each) => ms / each <= 8) ?? ms;
  return Array.from({ length: Math.floor(ms / Math.max(1, step)) + 1 }, (_, index) => index * step);
}

function escape(text: string): string {
  return text
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;');
}
