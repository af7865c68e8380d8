import type { Phase } from '../state/state.ts';
import { barHeight, timelineHeadline, timelineRows } from '../diagrams/timelineSvg.ts';
import { criticalPathText, drawnPhases } from '../diagrams/timeline.ts';
import type { Timeline } from '../diagrams/timeline.ts';
import { Html, html } from './html.ts';

const top = 26;

/** The boot's timeline in two widths. The page shows the one that fits. */
export function timelineSection(timeline: Timeline): Html {
  const path = criticalPathText(timeline.criticalPath);
  return html`<p>
      ${timelineHeadline(timeline)}.${path === '' ? '' : html` <span class="soft">Critical path, in s: ${path}</span>`}
    </p>
    ${rows(timeline, 'wide', { plotWidth: 760, right: 24 })}
    ${rows(timeline, 'narrow', { plotWidth: 170, right: 16 })}
    <p class="legend soft">${drawnPhases(timeline).map(legend)}</p>`;
}

function rows(
  timeline: Timeline,
  name: string,
  { plotWidth, right }: { plotWidth: number; right: number },
): Html {
  const { left, bottom, parts } = timelineRows(timeline, { plotWidth, top });
  const width = Math.round(left + plotWidth + right);
  return html`<svg
    class="timeline ${name}"
    viewBox="0 0 ${width} ${bottom}"
    width="${width}"
    height="${bottom}"
    role="img"
    aria-label="The phases of each component during the boot"
  >
    ${new Html(parts.join('\n'))}
  </svg>`;
}

function legend(phase: Phase): Html {
  return html`<span
    ><svg class="timeline" viewBox="0 0 24 16" width="24" height="16" aria-hidden="true">
      ${sample(phase)}
    </svg>
    ${phase}</span
  >`;
}

function sample(phase: Phase): Html {
  const height = barHeight(phase);
  return html`<rect class="${phase}" x="0" y="${8 - height / 2}" width="24" height="${height}" rx="2" />`;
}
