import { phaseStyles } from '../state/phases.ts';
import type { Style } from '../terminal/style.ts';
import type { Phase } from '../state/state.ts';
import { criticalPathText, drawnPhases } from './timeline.ts';
import type { Span, Timeline } from './timeline.ts';
import { formatMs, padEnd, width } from '../../lib/text/text.ts';

/** One bar per component, and a legend. */
export function timelineText(timeline: Timeline, columns: number, style: Style): string {
  const name = Math.max(0, ...timeline.components.map(width));
  const room = Math.max(10, columns - name - 2 - 10);
  const critical = new Set(timeline.criticalPath.map(({ component }) => component));
  const spansOf = new Map<string, Span[]>(timeline.components.map((component) => [component, []]));
  for (const span of timeline.spans) spansOf.get(span.component)?.push(span);
  const rows = [...spansOf].map(([component, spans]) => {
    const label = padEnd(component, name);
    const took = spans
      .filter(({ phase }) => phase === 'starting')
      .reduce((sum, { from, to }) => sum + to - from, 0);
    const row = bar(spans, room, timeline.ms, style);
    return `${critical.has(component) ? style('bold', label) : label}  ${row}${formatMs(took).padStart(10)}`;
  });
  const legend = drawnPhases(timeline);
  const path = criticalPathText(timeline.criticalPath);
  return [
    ...rows,
    '',
    legend.map((phase) => `${cells(phase, 1, style)} ${phase}`).join('   '),
    `${timeline.ready ? 'ready in' : 'not ready after'} ${formatMs(timeline.ms)}`,
    ...(path === '' ? [] : [`critical path, in s: ${path}`]),
  ].join('\n');
}

/** Each cell shows the phase at its middle. Starts and failures always show, however short. */
function bar(spans: readonly Span[], room: number, ms: number, style: Style): string {
  const cellMs = Math.max(1, ms) / room;
  const phases = Array.from({ length: room }, (_, i) => {
    const middle = (i + 0.5) * cellMs;
    return spans.find(({ from, to }) => from <= middle && middle < to)?.phase;
  });
  for (const { phase, from } of spans) {
    if (phase === 'starting' || phase === 'failed')
      phases[Math.min(room - 1, Math.floor(from / cellMs))] = phase;
  }
  let text = '';
  for (let i = 0; i < room;) {
    const phase = phases[i];
    let end = i + 1;
    while (end < room && phases[end] === phase) end += 1;
    text += phase === undefined ? ' '.repeat(end - i) : cells(phase, end - i, style);
    i = end;
  }
  return text;
}

function cells(phase: Phase, count: number, style: Style): string {
  const { colour, bar: character } = phaseStyles[phase];
  return style(colour, character.repeat(count));
}
