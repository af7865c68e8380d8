import { EventEmitter, once } from 'node:events';
import { watch } from 'node:fs';
import { join } from 'node:path';
import { readLines, sizeOf } from './log-file.ts';
import { stampOf } from './log-line.ts';
import type { LogLine } from './log-line.ts';

/**
 * What is written from now on to `<folder>/<component>.log`, as it comes; `offsets` says where to begin, by component. A file
 * that got shorter was rotated and is read from its beginning: what was written in the instant before is in `.log.1`.
 */
export async function* follow(
  folder: string,
  offsets: Map<string, number>,
  signal: AbortSignal,
): AsyncGenerator<LogLine, void> {
  const changes = new EventEmitter();
  const changed = new Set([...offsets.keys()].map((component) => `${component}.log`));
  const watcher = watch(folder, (_kind, file) => {
    if (file !== null) changed.add(file);
    changes.emit('change');
  });
  try {
    while (!signal.aborted) {
      const [file] = changed;
      if (file === undefined) {
        await once(changes, 'change', { signal }).catch(() => undefined);
        continue;
      }
      changed.delete(file);
      const component = file.replace(/\.log$/, '');
      const from = offsets.get(component);
      if (from === undefined || component === file) continue;
      for await (const { line, end } of news(folder, component, from)) {
        offsets.set(component, end);
        if (line !== undefined) yield line;
      }
    }
  } finally {
    watcher.close();
  }
}

async function* news(
  folder: string,
  component: string,
  from: number,
): AsyncGenerator<{ line?: LogLine; end: number }, void> {
  const path = join(folder, `${component}.log`);
  const size = await sizeOf(path);
  const start = size < from ? 0 : from;
  if (start !== from) yield { end: start };
  for await (const { text, end } of readLines(path, start, size)) {
    if (end !== undefined) yield { line: { component, text, ...stampOf(text, Date.now()) }, end };
  }
}
