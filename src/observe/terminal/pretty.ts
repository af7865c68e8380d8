import { frame } from './frame.ts';
import type { Progress } from './progress.ts';
import { Screen } from './screen.ts';
import type { Terminal } from './screen.ts';
import { LiveState } from '../state/state.ts';
import type { State } from '../state/state.ts';
import type { Style } from './style.ts';
import { summarize, summaryText } from './summary.ts';
import { formatMs, oneLine, padEnd } from '../../lib/text/text.ts';
import { tick } from './ticker.ts';
import type { View } from './view.ts';
import { describeEvent } from './words.ts';

/** A terminal that says when it changes its size, as `process.stderr` does. */
export interface ResizableTerminal extends Terminal {
  on?(event: 'resize', listener: () => void): unknown;
  off?(event: 'resize', listener: () => void): unknown;
}

/**
 * A table redrawn in place: one line per component, in the order of `names`. What went wrong stays above it for good.
 * `now` in ms since the epoch.
 */
export function prettyView(
  terminal: ResizableTerminal,
  names: readonly string[],
  style: Style,
  now: () => number,
): View {
  const screen = new Screen(terminal);
  const slow = new Map<string, { progress: Progress; at: number }>();
  let state: State = new LiveState(names, now()).components;
  let begin: number | undefined;
  let footer: readonly string[] = [];
  const column = Math.max(0, ...names.map((name) => name.length));

  const draw = (kept: readonly string[] = []): void => {
    const progress = [...slow.values()].map(({ progress: { label, detail, elapsedMs }, at }) => {
      return { label, detail, elapsedMs: elapsedMs + now() - at };
    });
    const { columns = 80, rows = 24 } = terminal;
    const picture = { progress, now: now(), columns, rows: rows - 1, style };
    const started =
      begin === undefined ? { state: new Map(), footer: [] } : { state, footer: foot(now() - begin) };
    screen.draw(frame({ ...picture, ...started }), kept);
  };
  const foot = (ms: number): readonly string[] => {
    const summary = summarize(state);
    if (summary.is === 'ready') return ['', ...footer];
    if (summary.is === 'stopping' || summary.is === 'stopped') return ['', summaryText(summary)];
    const ready = [...state.values()].filter(({ is }) => is === 'ready').length;
    return ['', `${ready} of ${state.size} ready, ${formatMs(ms)}, ${summaryText(summary)}`];
  };
  const redraw = (): void => draw();
  const ticker = tick(redraw);
  terminal.on?.('resize', redraw);

  return {
    event(event, before, after) {
      begin ??= event.at;
      state = after;
      const said = describeEvent(event, before);
      if (said === undefined || said.level === 'info') {
        // Of thousands only the changing sum is seen, and four times a second is enough for that.
        if (state.size < (terminal.rows ?? 24)) draw();
        return;
      }
      const text = `  ${formatMs(event.at - begin).padStart(9)}  ${padEnd(event.component, column)}  ${said.text}`;
      draw([style(said.level === 'error' ? 'red' : 'yellow', text)]);
    },
    ready(ms, criticalPath) {
      footer = [
        `ready in ${formatMs(ms)}`,
        ...(criticalPath === '' ? [] : [`critical path, in s: ${criticalPath}`]),
      ];
      draw();
    },
    progress(progress) {
      const { label, elapsedMs } = progress;
      if (progress.done) {
        slow.delete(label);
        return draw([`  ${style('green', '✓')} ${oneLine(label)}  ${formatMs(elapsedMs)}`]);
      }
      slow.set(label, { progress, at: now() });
      draw();
    },
    print: (text) => draw(text.split('\n')),
    async end() {
      ticker[Symbol.dispose]();
      terminal.off?.('resize', redraw);
      draw();
    },
  };
}
