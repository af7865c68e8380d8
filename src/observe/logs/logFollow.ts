import { EventEmitter, once } from 'node:events';
import { watch } from 'node:fs';
import { join } from 'node:path';
import { stampOf } from './logLine.ts';
import type { LogLine } from './logLine.ts';
import { newLines } from './logPosition.ts';
import type { LogPosition } from './logPosition.ts';
import { tick } from '../terminal/ticker.ts';

/** How often each log is looked at besides, in ms: nothing tells of what is written to a file that is only linked to here. */
const lookEveryMs = 1000;

/**
 * What is written from now on to `<folder>/<component>.log`, as it comes, each line once however often the log is rotated;
 * `positions` says where to begin, by component. When the signal aborts, what is there by then is the end.
 */
export async function* followLogs(
  folder: string,
  positions: ReadonlyMap<string, LogPosition>,
  signal: AbortSignal,
): AsyncGenerator<LogLine, void> {
  const at = new Map(positions);
  const changes = new EventEmitter();
  const changed = new Set(at.keys());
  const watcher = watch(folder, (_kind, file) => {
    const component = /^(.*)\.log(?:\.\w+)?$/.exec(file ?? '')?.[1];
    if (component === undefined || !at.has(component)) return;
    changed.add(component);
    changes.emit('change');
  });
  const ticker = tick(
    () => {
      for (const component of at.keys()) changed.add(component);
      changes.emit('change');
    },
    { periodMs: lookEveryMs },
  );
  const lines = async function* (component: string, isLast: boolean): AsyncGenerator<LogLine, void> {
    const path = join(folder, `${component}.log`);
    for await (const { texts, position } of newLines(path, at.get(component)!, isLast)) {
      at.set(component, position);
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
    for (const component of at.keys()) yield* lines(component, true);
  } finally {
    ticker[Symbol.dispose]();
    watcher.close();
  }
}
