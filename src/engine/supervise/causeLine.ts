/** The first line of a goroutine's stack in a Go panic, a fatal error of the Go runtime, or a dump of klog's Fatal. */
const goroutine = /^goroutine \d+ .*\[.+\]:$/;

/** What the Go runtime prints above a dump: `panic: ...`, `fatal error: ...`. A panic during a panic is indented. */
const goPanic = /^(?:\t*panic: |fatal error: |runtime: )/;

/** Lines of level fatal: klog, capnslog (etcd up to 3.4), logrus. */
const fatalLevel =
  /^F\d{4} \d\d:\d\d:\d\d|^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d+ C \| |^(?:time="[^"]*" )?level=(?:fatal|panic) /;

/** zap, in which etcd and others log. */
const zapFatal = /^\{.*"level":\s*"(?:fatal|panic|dpanic)"/;

/** What the flag packages of Go (flag, pflag, urfave/cli) say of an argument. Many programs print their usage below it. */
const usageError =
  /^(?:[\w-]+: )?(?:Error: )?(?:unknown (?:shorthand )?flag: |unknown command |flag provided but not defined: |invalid (?:argument|value) .* for )/;

/** A message of several lines, the signal, and `goroutine` are at most this many lines from `panic:`. */
const maxHeadLines = 20;

/** Frames of Java and Node.js, and what these and Rust print below them. */
const frame = /^\s+at \S/;
const belowFrames = /^\s+\.\.\. \d+ |^Node\.js v\d|^note: run with `RUST_BACKTRACE|^[\s}\]]/;

/** The index of the line that names the cause of an exit; -1 for none. Go prints it above the dump of its goroutines. */
function causeIndex(lines: readonly string[]): number {
  const panicIndex = lines.findLastIndex(
    (line, i) =>
      (goPanic.test(line) || fatalLevel.test(line)) &&
      lines.slice(i + 1, i + 1 + maxHeadLines).some((below) => goroutine.test(below)),
  );
  if (panicIndex >= 0) {
    // The first of several panics is the cause of the others.
    let first = panicIndex;
    while (first > 0 && goPanic.test(lines[first - 1]!)) first--;
    // The logger's own line tells more than the panic that it makes of it: the file, and the error.
    return first > 0 && zapFatal.test(lines[first - 1]!) ? first - 1 : first;
  }
  const fatalIndex = lines.findLastIndex((line) => fatalLevel.test(line) || zapFatal.test(line));
  if (fatalIndex >= 0) return fatalIndex;
  const usageIndex = lines.findLastIndex((line) => usageError.test(line));
  return usageIndex >= 0 ? usageIndex : aboveFrames(lines);
}

/** The line above the stack trace with which the lines end, or just the last one. */
function aboveFrames(lines: readonly string[]): number {
  const end = lines.findLastIndex((line) => !belowFrames.test(line));
  const isTrace = lines.slice(end + 1).some((line) => frame.test(line) || line.startsWith('note: run with'));
  return isTrace && end >= 0 ? end : lines.length - 1;
}

/** Whether the lines are the end of a dump whose cause is further up. */
export function lacksCause(lines: readonly string[]): boolean {
  return lines.some((line) => goroutine.test(line)) && causeIndex(lines) === lines.length - 1;
}

/** At most `count` of the lines: the last ones, or those around the cause if that is further up. */
export function linesWithCause(lines: readonly string[], count: number): string[] {
  const start = Math.max(0, lines.length - count);
  const cause = causeIndex(lines);
  if (cause >= start || cause < 0) return lines.slice(start);
  const first = Math.max(0, cause - Math.floor(count / 2));
  return lines.slice(first, first + count);
}

/**
 * The line that names why a program ended, from the last lines of its log: the last one, or the one above a stack trace or a
 * dump of goroutines. A line in JSON is shortened to its message, error, and further texts. Undefined without lines.
 */
export function causeLine(lines: readonly string[]): string | undefined {
  const line = lines[causeIndex(lines)];
  return line !== undefined && zapFatal.test(line) ? zapText(line) : line;
}

function zapText(line: string): string {
  const left: ReadonlySet<string> = new Set([
    'level',
    'ts',
    'time',
    'caller',
    'logger',
    'msg',
    'error',
    'stacktrace',
  ]);
  try {
    const { msg, error, ...more }: Record<string, unknown> = JSON.parse(line);
    const others = Object.entries({ ...more }).flatMap(([key, value]) =>
      typeof value === 'string' && !left.has(key) ? [`${key} ${value}`] : [],
    );
    const text = [msg, error].filter((part) => typeof part === 'string').join(': ');
    return others.length > 0 ? `${text} (${others.join(', ')})` : text;
  } catch {
    // Cut off, or not JSON after all.
    return line;
  }
}
