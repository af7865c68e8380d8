type Level = 'debug' | 'info' | 'warn' | 'error' | 'fatal';

/** One line of a component's log. */
export interface LogLine {
  readonly component: string;
  /** Ms since the epoch; undefined when neither this line nor one before it has a time. */
  readonly at: number | undefined;
  readonly level: Level | undefined;
  readonly text: string;
}

interface Stamp {
  readonly at: number | undefined;
  readonly level: Level | undefined;
}

/** Level names and letters of all formats below. */
const levels: ReadonlyMap<string, Level> = new Map([
  ...['debug', 'trace', 'd'].map((word) => [word, 'debug'] as const),
  ...['info', 'notice', 'i', 'n'].map((word) => [word, 'info'] as const),
  ...['warn', 'warning', 'w'].map((word) => [word, 'warn'] as const),
  ...['error', 'e'].map((word) => [word, 'error'] as const),
  ...['fatal', 'panic', 'dpanic', 'f', 'c'].map((word) => [word, 'fatal'] as const),
]);

/**
 * Time and level of a line in the formats of the node's components. Times without a zone are local. Those without a year lie
 * in the year before `now` (ms since the epoch).
 */
export function stampOf(text: string, now: number): Stamp {
  return (
    klog(text, now) ??
    zap(text) ??
    logrus(text) ??
    capnslog(text) ??
    iso(text) ?? { at: undefined, level: undefined }
  );
}

/** `I0801 12:00:00.123456    1234 file.go:12] text` (k8s.io/klog). */
function klog(text: string, now: number): Stamp | undefined {
  const match = /^([IWEF])(\d\d)(\d\d) (\d\d):(\d\d):(\d\d)\.(\d{3})\d* /.exec(text);
  if (match === null) return undefined;
  const [month = 1, day, hours, minutes, seconds, ms] = match.slice(2).map(Number);
  const inYear = (year: number): number =>
    new Date(year, month - 1, day, hours, minutes, seconds, ms).getTime();
  const year = new Date(now).getFullYear();
  const dayMs = 86_400_000;
  const at = inYear(year) > now + dayMs ? inYear(year - 1) : inYear(year);
  return stamp(at, match[1]);
}

/** `{"level":"info","ts":"2026-08-01T12:00:00.123Z",...}`, or the time in seconds (go.uber.org/zap; etcd since 3.5). */
function zap(text: string): Stamp | undefined {
  if (!text.startsWith('{')) return undefined;
  const level = /"level":\s*"(\w+)"/.exec(text)?.[1];
  const quoted = /"(?:ts|time)":\s*"([^"]+)"/.exec(text)?.[1];
  const seconds = /"ts":\s*(\d+(?:\.\d+)?)/.exec(text)?.[1];
  if (level === undefined && quoted === undefined && seconds === undefined) return undefined;
  return stamp(quoted === undefined ? Number(seconds) * 1000 : Date.parse(quoted), level);
}

/** `time="2026-08-01T12:00:00.123456789Z" level=info msg="..."` (github.com/sirupsen/logrus; containerd). */
function logrus(text: string): Stamp | undefined {
  const match = /^time="?([^" ]+)"? level=(\w+)/.exec(text);
  return match === null ? undefined : stamp(Date.parse(match[1]!), match[2]);
}

/** `2026-08-01 12:00:00.123456 I | package: text` (github.com/coreos/pkg/capnslog; etcd up to 3.4). */
function capnslog(text: string): Stamp | undefined {
  const match = /^(\d{4}-\d\d-\d\d) (\d\d:\d\d:\d\d\.\d{3})\d* ([A-Z]) \| /.exec(text);
  return match === null ? undefined : stamp(Date.parse(`${match[1]}T${match[2]}`), match[3]);
}

/** `2026-08-01T12:00:00Z text` (RFC 3339): the supervisor's own log and many programs. */
function iso(text: string): Stamp | undefined {
  const match = /^\[?(\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:?\d\d))[\] ]/.exec(text);
  return match === null ? undefined : stamp(Date.parse(match[1]!), undefined);
}

function stamp(at: number, level: string | undefined): Stamp {
  return { at: Number.isFinite(at) ? at : undefined, level: levels.get(level?.toLowerCase() ?? '') };
}
