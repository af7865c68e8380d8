import { escape } from '../../lib/text/markup.ts';
import type { PhaseName } from '../state/state.ts';
import { formatMs } from '../../lib/text/text.ts';
import { rowStyles, timelineRows } from './timelineRows.ts';
import { criticalPathText, drawnPhases } from './timeline.ts';
import type { Timeline } from './timeline.ts';

const top = 46;
const plotWidth = 720;
const right = 70;

/** No script, nothing from elsewhere. */
const styles = `${rowStyles}
.title{font-size:15px;font-weight:600}.back{fill:#fff}@media(prefers-color-scheme:dark){.back{fill:#0d1117}}`;

/** One picture of the boot that stands on its own: a file, a slide, an <img>. */
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

export function timelineHeadline({ ready, ms }: Timeline): string {
  return `${ready ? 'Ready in' : 'Not ready after'} ${formatMs(ms)}`;
}

/** What the colours mean, of those that are there. */
function legend(phases: readonly PhaseName[], left: number): string[] {
  return phases.map((is, index) => {
    const x = left + plotWidth - 80 * (phases.length - index);
    return `<rect class="${is}" x="${x.toFixed(1)}" y="8" width="10" height="10" rx="2"/><text class="soft" x="${(x + 15).toFixed(1)}" y="17">${is}</text>`;
  });
}
