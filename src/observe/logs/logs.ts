import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { Failure } from '../../lib/errors.ts';
import { followLogs } from './logFollow.ts';
import { endOf, logFiles, readLines, sizeOf, tailOffset } from './logFile.ts';
import type { LogPosition } from './logFile.ts';
import { stampOf } from './logLine.ts';
import type { LogLine } from './logLine.ts';

export interface LogOptions {
  /** Empty: all components with a log. */
  readonly components: readonly string[];
  /** Continue with new lines until the signal aborts. */
  readonly follow: boolean;
  /** At most this many of the last lines of each component. */
  readonly tail: number | undefined;
  /** Only lines from this time on, in ms since the epoch. */
  readonly since: number | undefined;
}

/**
 * The lines of `<folder>/<component>.log` and its rotated files, merged by time. A line without a time belongs to the one
 * before it. Memory does not grow with the logs.
 * @throws Failure `usage` when a component has no log.
 */
export async function* readLogs(
  folder: string,
  options: LogOptions,
  signal: AbortSignal,
): AsyncGenerator<LogLine, void> {
  const components = await withLogs(folder, options);
  const now = Date.now();
  const ends = await endsOf(folder, components);
  const sources = components.map((name) =>
    linesUntil(folder, name, ends.get(name)?.offset ?? 0, options, now),
  );
  for await (const line of mergeByTime(sources)) {
    if (signal.aborted) return;
    yield line;
  }
  if (!options.follow) return;
  for (const [name, end] of ends) {
    ends.set(name, { ...end, offset: await lineStart(pathOf(folder, name), end.offset) });
  }
  yield* followLogs(folder, ends, signal);
}

/** The current end of each component's log: only later lines are new. */
export async function endsOf(
  folder: string,
  components: readonly string[],
): Promise<Map<string, LogPosition>> {
  const ends = components.map(async (name) => [name, await endOf(pathOf(folder, name))] as const);
  return new Map(await Promise.all(ends));
}

function pathOf(folder: string, component: string): string {
  return join(folder, `${component}.log`);
}

/**
 * The components with a log in this folder.
 * @throws Failure `usage` when the folder does not exist.
 */
export async function logNames(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { withFileTypes: true }).catch((cause: unknown) => {
    throw new Failure('usage', `no logs in ${folder}`, {
      cause,
      hint: 'has this node been started?',
    });
  });
  return entries
    .filter((entry) => entry.isFile() && entry.name.endsWith('.log'))
    .map(({ name }) => name.slice(0, -'.log'.length))
    .sort();
}

async function withLogs(folder: string, { components, follow }: LogOptions): Promise<readonly string[]> {
  const present = await logNames(folder);
  const unknown = components.find((component) => !present.includes(component));
  if (unknown !== undefined && !follow) {
    throw new Failure('usage', `"${unknown}" has no log`, {
      hint: `components with a log: ${present.join(', ')}`,
    });
  }
  return components.length > 0 ? components : present;
}

/** The lines of one component up to `end` of its current file. */
async function* linesUntil(
  folder: string,
  component: string,
  end: number,
  { tail, since, follow }: LogOptions,
  now: number,
): AsyncGenerator<LogLine, void> {
  const current = pathOf(folder, component);
  let at: number | undefined;
  for (const { path, from } of await startingPoints(await logFiles(current), tail)) {
    const to = path === current ? end : await sizeOf(path);
    for await (const line of readLines(path, from, to)) {
      const stamp = stampOf(line.text, now);
      at = stamp.at ?? at;
      const unfinished = line.end === undefined && path === current && follow;
      const tooOld = since !== undefined && (at ?? 0) < since;
      if (!unfinished && !tooOld) yield { component, at, level: stamp.level, text: line.text };
    }
  }
}

async function startingPoints(
  paths: readonly string[],
  tail: number | undefined,
): Promise<{ path: string; from: number }[]> {
  if (tail === undefined) return paths.map((path) => ({ path, from: 0 }));
  const points: { path: string; from: number }[] = [];
  let remaining = tail;
  for (const path of paths.toReversed()) {
    if (remaining <= 0) break;
    const { offset, found } = await tailOffset(path, remaining);
    points.unshift({ path, from: offset });
    remaining -= found;
  }
  return points;
}

/** The beginning of the unfinished line at `end`. */
async function lineStart(path: string, end: number): Promise<number> {
  let start = Math.max(0, end - 64 * 1024);
  for await (const line of readLines(path, start, end)) start = line.end ?? start;
  return start;
}

async function* mergeByTime(
  sources: readonly AsyncGenerator<LogLine, void>[],
): AsyncGenerator<LogLine, void> {
  const heads = await Promise.all(sources.map(async (source) => ({ source, head: await source.next() })));
  for (;;) {
    const [first] = heads
      .filter(({ head }) => head.done !== true)
      .sort((a, b) => timeOf(a.head.value) - timeOf(b.head.value));
    if (first?.head.value === undefined) return;
    yield first.head.value;
    first.head = await first.source.next();
  }
}

function timeOf(line: LogLine | void): number {
  return line?.at ?? 0;
}
