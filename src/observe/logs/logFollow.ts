import { EventEmitter, once } from 'node:events';
import { watch } from 'node:fs';
import { join } from 'node:path';
import { tick } from '../terminal/ticker.ts';
import { newLines } from './logFile.ts';
import type { LogPosition } from './logFile.ts';
import { stampOf } from './logLine.ts';
import type { LogLine } from './logLine.ts';

/** How often each log is also read without a change event, in ms. Writes to the target of a symlink cause none. */
const checkEveryMs = 1000;

/**
 * The lines written to `<folder>/<component>.log` from `positions` on, as they are written, each once however often the log
 * is rotated. When the signal aborts, yields what is there by then and ends.
 */
export async function* followLogs(
  folder: string,
  positions: ReadonlyMap<string, LogPosition>,
  signal: AbortSignal,
): AsyncGenerator<LogLine, void> {
  const current = new Map(positions);
  const changes = new EventEmitter();
  const changed = new Set(current.keys());
  const watcher = watch(folder, (_kind, file) => {
    const component = /^(.*)\.log(?:\.\w+)?$/.exec(file ?? '')?.[1];
    if (component === undefined || !current.has(component)) return;
    changed.add(component);
    changes.emit('change');
  });
  const ticker = tick(
    () => {
      for (const component of current.keys()) changed.add(component);
      changes.emit('change');
    },
    { periodMs: checkEveryMs },
  );
  const lines = async function* (component: string, isLast: boolean): AsyncGenerator<LogLine, void> {
    const path = join(folder, `${component}.log`);
    for await (const { texts, position } of newLines(path, current.get(component)!, isLast)) {
      current.set(component, position);
      for (const text of texts) yield { component, text, ...stampOf(text, Date.now()) };
    }
  };
  try {
    while (!signal.aborted) {
      const [component] = changed;
      if (component === undefined) {
        await once(changes, 'change', { signal }).catch(() => undefined);
        continue;
      }
      changed.delete(component);
      yield* lines(component, false);
    }
    for (const component of current.keys()) yield* lines(component, true);
  } finally {
    ticker[Symbol.dispose]();
    watcher.close();
  }
}
