import { readFileSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { errorCode } from './errorCode.ts';

/** A clock tick of /proc, in ms: 1/100 s on all common architectures (USER_HZ, proc(5)). */
export const msPerTick = 10;

/** What /proc/PID/stat says of a process; the names are those of proc_pid_stat(5). */
export interface ProcessStat {
  /** Name of the program, up to 15 bytes. */
  readonly comm: string;
  readonly state: string;
  /** Parent. */
  readonly ppid: number;
  /** Process group. */
  readonly pgrp: number;
  readonly session: number;
  /** Processor time in user and in kernel mode, in clock ticks. */
  readonly utime: number;
  readonly stime: number;
  readonly numThreads: number;
  /** Start time, in clock ticks since the boot of the machine. */
  readonly starttime: number;
}

/** PIDs of all processes of this PID namespace. */
export async function listPids(): Promise<string[]> {
  return (await readdir('/proc')).filter((name) => /^\d+$/.test(name));
}

/** Undefined if there is no such process any more. */
export async function readProcessStat(pid: string): Promise<ProcessStat | undefined> {
  const text = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => undefined);
  return text === undefined ? undefined : parseStat(text);
}

/** The processor time that these processes have taken, in ms; without those that are gone. */
export async function processorMs(pids: readonly number[]): Promise<number> {
  const stats = await Promise.all(pids.map(async (pid) => readProcessStat(String(pid))));
  return stats.reduce((sum, stat) => sum + (stat === undefined ? 0 : stat.utime + stat.stime), 0) * msPerTick;
}

/** {@link readProcessStat}, synchronous. */
export function readProcessStatSync(pid: number): ProcessStat | undefined {
  try {
    return parseStat(readFileSync(`/proc/${pid}/stat`, 'utf8'));
  } catch {
    return undefined;
  }
}

/** Whether the process with this pid that began at `starttime` runs; true also if that cannot be found out, for lack of descriptors. */
export function isRunning(pid: number, starttime: number): boolean {
  const stat = readProcessStatSync(pid);
  return stat === undefined ? exists(pid) : stat.starttime === starttime && !hasExited(stat);
}

/** Whether there is a process with this pid or, if it is negative, in that process group; zombies included. One system call. */
export function exists(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return errorCode(error) !== 'ESRCH';
  }
}

/**
 * Whether the process has exited. A zombie counts as exited: only its parent, possibly the PID 1 of a container that never reaps, can
 * remove it. But a zombie with other threads is only the exited main thread of a process that is still exiting: the other threads
 * still hold its sockets.
 */
export function hasExited({ state, numThreads }: ProcessStat): boolean {
  return state === 'X' || (state === 'Z' && numThreads <= 1);
}

function parseStat(text: string): ProcessStat {
  // pid (comm) state ppid pgrp ...: comm may contain blanks and parentheses, so the last one ends it.
  const end = text.lastIndexOf(')');
  const fields = text.slice(end + 2).split(' ');
  /** By its number in the manual page; 3 is the state. */
  const field = (number: number): number => Number(fields[number - 3] ?? 0);
  return {
    comm: text.slice(text.indexOf('(') + 1, end),
    state: fields[0] ?? '',
    ppid: field(4),
    pgrp: field(5),
    session: field(6),
    utime: field(14),
    stime: field(15),
    numThreads: field(20),
    starttime: field(22),
  };
}
