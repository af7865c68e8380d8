import type { Logger } from 'winston';
import { formatMs, oneLine, padEnd } from '../../lib/text/text.ts';
import { describeEvent } from '../state/describe.ts';
import type { Description } from '../state/describe.ts';
import type { State } from '../state/state.ts';
import type { Style } from './style.ts';
import { tick } from './ticker.ts';
import type { Clock, Progress, View } from './view.ts';

/** A reason is printed once it has lasted this long, and repeated every `repeatMs`. */
const patienceMs = 5000;
const repeatMs = 30_000;

/** winston takes 20 ms and more to load: the first components start before that. Lines printed meanwhile wait. */
const headStartMs = 50;

/** For everything but a terminal: one aligned line per event worth reading, with date, time and elapsed time. */
export function plainView(
  stream: NodeJS.WritableStream,
  names: readonly string[],
  style: Style,
  { now, startedAt = now() }: Clock,
): View {
  const ending = new AbortController();
  const logger = loadLogger(stream, ending.signal);
  const column = Math.max(0, ...names.map((name) => name.length));
  const print = (level: string, line: string): void => void logger.then((loaded) => loaded.log(level, line));
  const log = ({ level, text }: Description, component = '', at = now()): void => {
    const time = style('dim', `${new Date(at).toISOString().slice(0, 19)}Z`);
    const name = component === '' ? '' : `${padEnd(component, column)}  `;
    const message = level === 'info' ? text : style(level === 'warn' ? 'yellow' : 'red', text);
    print(level, `${time} ${formatMs(at - startedAt).padStart(9)}  ${name}${message}`);
  };
  const info = (text: string, component?: string): void => log({ level: 'info', text }, component);
  const overdueReasons = createPatience();
  let state: State = new Map();
  const ticker = tick(
    () => {
      for (const { name, text } of overdueReasons(state, now())) info(text, name);
    },
    { periodMs: 1000 },
  );
  const printed = new Map<string, Progress>();

  return {
    event(event, before, after) {
      state = after;
      const description = describeEvent(event, before);
      if (description !== undefined) log(description, event.component, event.at);
    },
    ready(ms, criticalPath) {
      info(`ready in ${formatMs(ms)}`);
      if (criticalPath !== '') info(`critical path, in s: ${criticalPath}`);
    },
    progress(progress) {
      const { label, detail, elapsedMs, done } = progress;
      const last = printed.get(label);
      // A detail may change many times a second. A log needs a sign of life now and then, and the end.
      if (last !== undefined && last.done === done && elapsedMs - last.elapsedMs < patienceMs) return;
      printed.set(label, progress);
      // What took no time is a note.
      const end = elapsedMs === 0 ? '' : `done in ${formatMs(elapsedMs)}`;
      info([label, done ? end : detail].filter(Boolean).join(': '));
    },
    print: (text) => print('info', text),
    async end() {
      ticker[Symbol.dispose]();
      ending.abort();
      const loaded = await logger;
      await new Promise((resolve) => {
        loaded.once('finish', resolve);
        loaded.end();
      });
    },
  };
}

/** The logger, loaded after a head start, or at once when `ending` aborts. */
async function loadLogger(stream: NodeJS.WritableStream, ending: AbortSignal): Promise<Logger> {
  await new Promise<void>((resolve) => {
    for (const signal of [AbortSignal.timeout(headStartMs), ending])
      signal.addEventListener('abort', () => resolve());
  });
  const { createLogger, format, transports } = await import('winston');
  return createLogger({
    format: format.printf(({ message }) => String(message)),
    transports: [new transports.Stream({ stream, eol: '\n' })],
  });
}

/** Returns a function that yields the reasons due for a line: those that have lasted long, now and then. */
function createPatience(): (state: State, now: number) => { name: string; text: string }[] {
  const printed = new Map<string, { reason: string; at: number }>();
  return (state, now) =>
    [...state.values()].flatMap(({ name, phase, since, reason }) => {
      if (phase !== 'starting' || reason === undefined || now - since < patienceMs) return [];
      const last = printed.get(name);
      const interval = last?.reason === reason ? repeatMs : patienceMs;
      if (last !== undefined && last.at >= since && now - last.at < interval) return [];
      printed.set(name, { reason, at: now });
      return [{ name, text: `not ready after ${formatMs(now - since)}: ${oneLine(reason)}` }];
    });
}
