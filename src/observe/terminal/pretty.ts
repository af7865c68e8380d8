import type { Event } from '../../engine/component.ts';
import { formatMs, oneLine, padEnd } from '../../lib/text/text.ts';
import { describeEvent, describeSummary } from '../state/describe.ts';
import { LiveState, summarize } from '../state/state.ts';
import type { ComponentState, State } from '../state/state.ts';
import { frame } from './frame.ts';
import { Screen } from './screen.ts';
import type { ResizableTerminal } from './screen.ts';
import type { Style } from './style.ts';
import { tick } from './ticker.ts';
import type { Clock, Progress, View } from './view.ts';

/**
 * A table redrawn in place: one line per component, in the order of `names`. Warnings and errors stay above it.
 *
 *     preparing --- first event ---> booting --- ready ---> ready
 *     (progress only)                (table, count)         (table, boot time, critical path)
 */
export class PrettyView implements View {
  readonly #terminal: ResizableTerminal;
  readonly #screen: Screen;
  readonly #style: Style;
  readonly #now: () => number;
  readonly #nameWidth: number;
  readonly #ticker: Disposable;
  /** The steps under way, each with the time of its last report. */
  readonly #progress = new Map<string, { progress: Progress; at: number }>();
  #state: State;
  readonly #startedAt: number | undefined;
  /** What elapsed times are counted from, once there was an event. */
  #begin: number | undefined;
  #readyLines: readonly string[] = [];

  constructor(
    terminal: ResizableTerminal,
    names: readonly string[],
    style: Style,
    { now, startedAt }: Clock,
  ) {
    this.#terminal = terminal;
    this.#screen = new Screen(terminal);
    this.#style = style;
    this.#now = now;
    this.#startedAt = startedAt;
    this.#nameWidth = Math.max(0, ...names.map((name) => name.length));
    this.#state = new LiveState(names, now()).components;
    this.#ticker = tick(this.#redraw);
    terminal.on?.('resize', this.#redraw);
  }

  event(event: Event, before: ComponentState, now: State): void {
    this.#begin ??= this.#startedAt ?? event.at;
    this.#state = now;
    const description = describeEvent(event, before);
    if (description === undefined || description.level === 'info') {
      // With more components than rows only the counts change, and the ticker is enough for those.
      if (now.size < (this.#terminal.rows ?? 24)) this.#draw();
      return;
    }
    const elapsed = formatMs(event.at - this.#begin).padStart(9);
    const text = `  ${elapsed}  ${padEnd(event.component, this.#nameWidth)}  ${description.text}`;
    this.#draw([this.#style(description.level === 'error' ? 'red' : 'yellow', text)]);
  }

  ready(ms: number, criticalPath: string): void {
    const path = criticalPath === '' ? [] : [`critical path, in s: ${criticalPath}`];
    this.#readyLines = [`ready in ${formatMs(ms)}`, ...path];
    this.#draw();
  }

  progress(progress: Progress): void {
    const { label, elapsedMs, done } = progress;
    if (done) {
      this.#progress.delete(label);
      // What took no time is a note.
      const time = elapsedMs === 0 ? '' : `  ${formatMs(elapsedMs)}`;
      this.#draw([`  ${this.#style('green', '✓')} ${oneLine(label)}${time}`]);
    } else {
      this.#progress.set(label, { progress, at: this.#now() });
      this.#draw();
    }
  }

  print(text: string): void {
    this.#draw(text.split('\n'));
  }

  async end(): Promise<void> {
    this.#ticker[Symbol.dispose]();
    this.#terminal.off?.('resize', this.#redraw);
    this.#draw();
  }

  readonly #redraw = (): void => this.#draw();

  #draw(permanent: readonly string[] = []): void {
    const now = this.#now();
    const progress = [...this.#progress.values()].map(
      ({ progress: { label, detail, transfer, elapsedMs }, at }) => {
        return { label, detail, transfer, elapsedMs: elapsedMs + now - at };
      },
    );
    const { columns = 80, rows = 24 } = this.#terminal;
    const table =
      this.#begin === undefined
        ? { state: new Map(), footer: [] }
        : { state: this.#state, footer: this.#footer(now - this.#begin) };
    const lines = frame({ ...table, progress, now, columns, rows: rows - 1, style: this.#style });
    this.#screen.draw(lines, permanent);
  }

  #footer(ms: number): readonly string[] {
    const summary = summarize(this.#state);
    const text = describeSummary(summary);
    if (summary.phase === 'ready') return ['', ...this.#readyLines];
    if (summary.phase === 'stopping' || summary.phase === 'stopped') return ['', text];
    const ready = [...this.#state.values()].filter(({ phase }) => phase === 'ready').length;
    return ['', `${ready} of ${this.#state.size} ready, ${formatMs(ms)}, ${text}`];
  }
}
