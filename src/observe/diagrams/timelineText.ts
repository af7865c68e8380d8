import type { PhaseName } from '../state/state.ts';
import type { Style } from '../terminal/style.ts';
import { criticalPathText, drawnPhases } from './timeline.ts';
import type { Span, Timeline } from './timeline.ts';
import { formatMs, padEnd, width } from '../../lib/text/text.ts';

const bars: Record<PhaseName, [mark: string, colour: Parameters<Style>[0]]> = {
  waiting: ['·', 'dim'],
  starting: ['█', 'cyan'],
  ready: ['─', 'green'],
  down: ['░', 'yellow'],
  stopping: ['▒', 'yellow'],
  stopped: [' ', 'dim'],
  failed: ['✗', 'red'],
};

/** One bar per component, and what the marks mean. */
export function timelineText(timeline: Timeline, columns: number, style: Style): string {
  const name = Math.max(0, ...timeline.components.map(width));
  const room = Math.max(10, columns - name - 2 - 10);
  const critical = new Set(timeline.criticalPath.map(({ component }) => component));
  const spansOf = new Map<string, Span[]>(timeline.components.map((component) => [component, []]));
  for (const span of timeline.spans) spansOf.get(span.component)?.push(span);
  const rows = [...spansOf].map(([component, spans]) => {
    const label = padEnd(component, name);
    const took = spans
      .filter(({ is }) => is === 'starting')
      .reduce((sum, { from, to }) => sum + to - from, 0);
    const row = bar(spans, room, timeline.ms, style);
    return `${critical.has(component) ? style('bold', label) : label}  ${row}${formatMs(took).padStart(10)}`;
  });
  const legend = drawnPhases(timeline);
  const path = criticalPathText(timeline.criticalPath);
  return [
    ...rows,
    '',
    legend.map((is) => `${style(bars[is][1], bars[is][0])} ${is}`).join('   '),
    `${timeline.ready ? 'ready in' : 'not ready after'} ${formatMs(timeline.ms)}`,
    ...(path === '' ? [] : [`critical path, in s: ${path}`]),
  ].join('\n');
}

/** Each cell shows what was in its middle, and a start shows however short it was. */
function bar(spans: readonly Span[], room: number, ms: number, style: Style): string {
  const cellMs = Math.max(1, ms) / room;
  const cells = Array.from({ length: room }, (_, i) => {
    const middle = (i + 0.5) * cellMs;
    return spans.find(({ from, to }) => from <= middle && middle < to)?.is;
  });
  for (const { is, from } of spans) {
    if (is === 'starting' || is === 'failed') cells[Math.min(room - 1, Math.floor(from / cellMs))] = is;
  }
  let text = '';
  for (let i = 0; i < room;) {
    const is = cells[i];
    let end = i + 1;
    while (end < room && cells[end] === is) end += 1;
    text += is === undefined ? ' '.repeat(end - i) : style(bars[is][1], bars[is][0].repeat(end - i));
    i = end;
  }
  return text;
}
