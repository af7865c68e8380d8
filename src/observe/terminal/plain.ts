import { lineLogger } from './logger.ts';
import type { Progress } from './progress.ts';
import type { State } from '../state/state.ts';
import type { Style } from './style.ts';
import { formatMs, oneLine, padEnd } from '../../lib/text/text.ts';
import { tick } from './ticker.ts';
import type { View } from './view.ts';
import { describeEvent } from './words.ts';

/** A reason is worth a line when it has stood for so long, and again when it still stands after `repeatMs`. */
const patienceMs = 5000;
const repeatMs = 30_000;

/** For everything but a terminal: one aligned line per event worth reading, with date, time and elapsed time. */
export function plainView(
  stream: NodeJS.WritableStream,
  names: readonly string[],
  style: Style,
  now: () => number,
): View {
  const column = Math.max(0, ...names.map((name) => name.length));
  const began = now();
  const logger = lineLogger(stream, ({ level, message, at, who, verbatim }) => {
    if (verbatim === true) return String(message);
    const time = `${new Date(Number(at)).toISOString().slice(0, 19)}Z`;
    const start = `${style('dim', time)} ${formatMs(Number(at) - began).padStart(9)}  ${String(who)}`;
    const text = String(message);
    return start + (level === 'info' ? text : style(level === 'warn' ? 'yellow' : 'red', text));
  });
  const log = (level: string, who: string, message: string, at = now()): void =>
    logger.log({ level, message, at, who: who === '' ? '' : `${padEnd(who, column)}  ` });
  const patience = createPatience();
  let state: State = new Map();
  const ticker = tick(
    () => {
      for (const { name, text } of patience(state, now())) log('info', name, text);
    },
    { periodMs: 1000 },
  );
  const slow = new Map<string, Progress>();

  return {
    event(event, before, after) {
      state = after;
      const said = describeEvent(event, before);
      if (said !== undefined) log(said.level, event.component, said.text, event.at);
    },
    ready(ms, criticalPath) {
      log('info', '', `ready in ${formatMs(ms)}`);
      if (criticalPath !== '') log('info', '', `critical path, in s: ${criticalPath}`);
    },
    progress(progress) {
      const last = slow.get(progress.label);
      const { label, detail, elapsedMs, done } = progress;
      // A detail may change many times a second; a log wants to know that it goes on, and the end.
      const told = last !== undefined && last.done === done;
      if (told && elapsedMs - last.elapsedMs < patienceMs) return;
      slow.set(label, progress);
      const what = [label, done ? `done in ${formatMs(elapsedMs)}` : detail].filter(Boolean).join(': ');
      log('info', '', what);
    },
    print: (text) => logger.log({ level: 'info', message: text, verbatim: true }),
    async end() {
      ticker[Symbol.dispose]();
      await logger.flush();
    },
  };
}

/** Yields the reasons that have stood for long, each when it is due. */
function createPatience(): (state: State, now: number) => { name: string; text: string }[] {
  const told = new Map<string, { reason: string; at: number }>();
  return (state, now) =>
    [...state.values()].flatMap(({ name, is, since, reason }) => {
      if (is !== 'starting' || reason === undefined || now - since < patienceMs) return [];
      const last = told.get(name);
      const due = last?.reason === reason ? repeatMs : patienceMs;
      if (last !== undefined && last.at >= since && now - last.at < due) return [];
      told.set(name, { reason, at: now });
      return [{ name, text: `not ready after ${formatMs(now - since)}: ${oneLine(reason)}` }];
    });
}
