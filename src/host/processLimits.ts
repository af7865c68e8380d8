import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { note, ok } from './checkResult.ts';
import type { CheckResult } from './checkResult.ts';
import { pathWithSbin } from './tool.ts';

interface Limit {
  /** In /proc/PID/limits. */
  readonly title: string;
  /** For prlimit(1). */
  readonly name: string;
  readonly least: number;
  readonly most?: number;
}

/**
 * The soft limits that the programs and pods of a node need. Pods inherit them from containerd. Programs that close every
 * possible descriptor take long with more than `most` of them.
 */
const wanted: readonly Limit[] = [
  { title: 'cpu time', name: 'cpu', least: Infinity },
  { title: 'file size', name: 'fsize', least: Infinity },
  { title: 'data size', name: 'data', least: Infinity },
  { title: 'address space', name: 'as', least: Infinity },
  { title: 'processes', name: 'nproc', least: 8192 },
  { title: 'open files', name: 'nofile', least: 16_384, most: 1_048_576 },
];

/**
 * Sets the limits of this process, which its children inherit, where those of the shell that started it do not suffice. To
 * exceed a hard limit takes CAP_SYS_RESOURCE, which a container usually lacks.
 */
export function setProcessLimits(): CheckResult {
  const subject = 'limits';
  const before = unsuitable();
  if (before.length === 0) return ok(subject, 'those of the shell suffice');
  if (!prlimit(before.map((limit) => ({ ...limit, hard: Math.max(limit.value, limit.hard) }))))
    prlimit(before.map((limit) => ({ ...limit, value: Math.min(limit.value, limit.hard) })));
  const after = unsuitable();
  if (after.length === 0) return ok(subject, `raised or lowered: ${titles(before)}`);
  return note(
    subject,
    `the node is limited like the shell that starts it: ${titles(after)}`,
    'raise the hard limits of that shell or container: see ulimit in sh(1), or docker run --ulimit',
  );
}

interface Change extends Limit {
  /** The soft limit to set. */
  readonly value: number;
  readonly hard: number;
}

/** The limits of this process that do not suffice. */
function unsuitable(): Change[] {
  const text = readFileSync('/proc/self/limits', 'utf8');
  return wanted.flatMap((limit) => {
    const { title, least, most = Infinity } = limit;
    const [soft, hard] = limitIn(text, title);
    return soft >= least && soft <= most ? [] : [{ ...limit, value: soft > most ? most : least, hard }];
  });
}

/** Soft and hard, from `Max open files   1024   4096   files`. */
function limitIn(text: string, title: string): [soft: number, hard: number] {
  const words = new RegExp(`^Max ${title} +(\\S+) +(\\S+)`, 'm').exec(text)?.slice(1) ?? [];
  const [soft = Infinity, hard = Infinity] = words.map((value) =>
    value === 'unlimited' ? Infinity : Number(value),
  );
  return [soft, hard];
}

/** Returns false if one of them is refused. */
function prlimit(changes: readonly Change[]): boolean {
  const options = changes.map(({ name, value, hard }) => `--${name}=${word(value)}:${word(hard)}`);
  try {
    const env = { PATH: pathWithSbin() };
    execFileSync('prlimit', [`--pid=${process.pid}`, ...options], { stdio: 'ignore', env });
    return true;
  } catch {
    return false;
  }
}

function word(value: number): string {
  return value === Infinity ? 'unlimited' : String(value);
}

function titles(limits: readonly Limit[]): string {
  return limits.map(({ title }) => title).join(', ');
}
