import { escape } from '../src/lib/text/markup.ts';
import { compared, formatValue, median } from './rows.ts';
import type { Comparison, Row } from './rows.ts';

const [width, left, right] = [900, 250, 90];
const barHeight = 14;
const barDistance = 19;

/** The colours follow the reader's choice of light or dark. */
const styles = `
text{font:12px system-ui,sans-serif;fill:#1f2328}.title{font-size:13px;font-weight:600}.own{fill:#0969da}.other{fill:#9aa4af}
.back{fill:#fff}.ideal{fill:none;stroke:#9aa4af;stroke-dasharray:3 2}
@media(prefers-color-scheme:dark){text{fill:#e6edf3}.own{fill:#4493f8}.other{fill:#59636e}.back{fill:#0d1117}.ideal{stroke:#7d8590}}`;

/**
 * A standalone SVG with the medians of each row as bars; the longest fills the width. `own`: the competitor to highlight.
 * `computed`: those that were not run, drawn as outlines.
 */
export function chart(
  rows: readonly Row[],
  { own, computed }: { own: string; computed: readonly string[] },
): string {
  let y = 10;
  const parts: string[] = [];
  for (const comparison of compared(rows)) {
    parts.push(`<text class="title" x="12" y="${y + 14}">${escape(title(comparison))}</text>`);
    y += 24;
    for (const bar of bars(comparison)) {
      const kind = computed.includes(bar.name) ? 'ideal' : bar.name === own ? 'own' : 'other';
      const baseline = y + barHeight - 3;
      parts.push(
        `<text x="${left - 8}" y="${baseline}" text-anchor="end">${escape(bar.name)}</text>`,
        ...(bar.width === undefined
          ? []
          : [
              `<rect class="${kind}" x="${left}" y="${y}" width="${bar.width.toFixed(1)}" height="${barHeight}" rx="2"/>`,
            ]),
        `<text x="${(left + (bar.width ?? 0) + 6).toFixed(1)}" y="${baseline}">${escape(bar.label)}</text>`,
      );
      y += barDistance;
    }
    y += 8;
  }
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${y}" width="${width}" height="${y}" role="img" aria-label="The benchmark: medians, shorter is better">`,
    `<style>${styles}</style><rect class="back" width="100%" height="100%"/>`,
    ...parts,
    '</svg>\n',
  ].join('\n');
}

function title({ section, what }: Comparison): string {
  return section === what ? what : `${section}: ${what}`;
}

interface Bar {
  readonly name: string;
  readonly label: string;
  /** In pixels; undefined for infinite values, which get no bar. */
  readonly width: number | undefined;
}

function bars({ values, unit }: Comparison): Bar[] {
  const medians = [...values].map(([name, own]) => [name, median(own)] as const);
  const longest = Math.max(...medians.map(([, value]) => value).filter(Number.isFinite));
  return medians.map(([name, value]) => ({
    name,
    label: formatValue(value, unit),
    width: Number.isFinite(value) ? Math.max(0, value / (longest || 1)) * (width - left - right) : undefined,
  }));
}
