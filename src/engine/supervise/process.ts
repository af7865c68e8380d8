import { spawn as spawnChild } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { closeSync, fstatSync, statSync } from 'node:fs';
import { errorCode } from '../../../probes/errorCode.ts';
import { processGroupExited } from '../../../probes/kinds/processGroupExited.ts';
import { processRuns } from '../../../probes/kinds/processRuns.ts';
import type { Probe } from '../../../probes/probe.ts';
import { hasExited, isRunning, readProcessStatSync } from '../../../probes/proc.ts';
import { until } from '../../../probes/until.ts';
import { watch } from '../../../probes/watch.ts';
import type { Command, StopPolicy } from '../component.ts';
import { Failure, reasonOf } from '../../lib/errors.ts';
import type { ForcedShutdown } from './forcedShutdown.ts';
import { openLog, tail } from './logFile.ts';
import type { LogFile } from './logFile.ts';

/** How a process ended. */
interface Exit {
  /** Exit code 0. */
  readonly isSuccess: boolean;
  /** `exited with code 1` or `killed by SIGKILL`. */
  readonly description: string;
}

/** A running process, the leader of its own process group. */
export interface Process {
  readonly pid: number;
  /** An earlier supervisor has started it. */
  readonly isAdopted?: true;
  /** Resolves at its exit. Never rejects. */
  readonly exited: Promise<Exit>;
  /** True slightly before `exited` resolves. */
  hasExited(): boolean;
  /** The last lines that this process has written to its log. */
  lastLines(count: number): string[];
  /**
   * Stops the whole process group; a forced shutdown ends the grace period. Resolves when the group is gone.
   * @throws StillRunning if SIGKILL does not end it
   */
  stop(policy: StopPolicy, forcedShutdown: ForcedShutdown): Promise<void>;
}

/** Errors that may pass: out of processes, memory or descriptors, or the program is being written (ETXTBSY). */
const transientErrors: ReadonlySet<string> = new Set(['EAGAIN', 'ENOMEM', 'EMFILE', 'ENFILE', 'ETXTBSY']);

/** Time limit from SIGKILL to the end of the group, in ms. The kernel is quick unless a process is in uninterruptible sleep. */
const killTimeoutMs = 30_000;

/** Processes that SIGKILL has not ended: they are in uninterruptible sleep, as on a hung disk or network mount. */
export class StillRunning extends Error {
  /** Passes when they have ended. */
  readonly ended: Probe;

  constructor(ended: Probe, cause: unknown) {
    super(reasonOf(cause), { cause });
    this.ended = ended;
  }
}

/**
 * Starts the command with its output appended to the log. The process writes to the file itself: the supervisor is not in
 * the data path, and its death causes no SIGPIPE. Starts nothing if `signal` has aborted.
 * @throws Failure `preflight` with the reason if it cannot be started; a plain Error if the next attempt may succeed.
 */
export async function spawn(command: Command, logFile: LogFile, signal: AbortSignal): Promise<Process> {
  const log = await openLog(logFile);
  try {
    signal.throwIfAborted();
    return await spawnInto(log, command, logFile.path);
  } finally {
    // The child has its own copy of the descriptor.
    closeSync(log);
  }
}

/** Not with execa: it costs 0.5 ms more per process and, loaded only for this, 2 MB of memory (bench/NOTES.md). */
async function spawnInto(log: number, command: Command, path: string): Promise<Process> {
  const { size } = fstatSync(log);
  const child = startChild(command, log);
  const exited = exitOf(child);
  const { pid } = child;
  if (pid === undefined) throw cannotStart(command, await errorOf(child));
  return {
    pid,
    exited,
    hasExited: () => child.exitCode !== null || child.signalCode !== null,
    lastLines: (count) => tail(path, count, size),
    stop: (policy, forcedShutdown) => stopGroup({ pid, exited }, policy, forcedShutdown),
  };
}

/** How often the end of a process is looked for that another one started, in ms. The kernel tells its parent alone. */
const adoptedPeriodMs = 500;

/**
 * A running process that an earlier supervisor started: the leader of its own process group. How it ends is not known. `path`: its
 * log. Undefined if it has just exited.
 */
export function adopt(pid: number, path: string): Process | undefined {
  const stat = readProcessStatSync(pid);
  if (stat === undefined || hasExited(stat)) return undefined;
  const { starttime } = stat;
  const size = statSync(path, { throwIfNoEntry: false })?.size ?? 0;
  const stopped = new AbortController();
  const runs = processRuns(pid, starttime);
  let isGone = false;
  const exit = {
    isSuccess: false,
    description: 'exited, nobody knows how: an earlier supervisor started it',
  };
  // Settles at its stop at the latest.
  const timing = { periodMs: adoptedPeriodMs, failureThreshold: 1, attemptTimeoutMs: Infinity };
  const exited = watch(runs, timing, stopped.signal)
    .catch(() => undefined)
    .then(() => {
      isGone = true;
      return exit;
    });
  return {
    pid,
    isAdopted: true,
    exited,
    hasExited: () => isGone || !isRunning(pid, starttime),
    lastLines: (count) => tail(path, count, size),
    stop: async (policy, forcedShutdown) => {
      try {
        const now = readProcessStatSync(pid);
        // No other process gets the pid while one of the group lives.
        if (now !== undefined && now.starttime !== starttime) return;
        await stopGroup({ pid, exited: Promise.resolve() }, policy, forcedShutdown);
      } finally {
        stopped.abort();
      }
    },
  };
}

/** Node.js throws some errors; the others arrive as an event, see {@link errorOf}. */
function startChild(command: Command, log: number): ChildProcess {
  const { file, args, cwd, env, inheritEnv = true, umask, uid, gid, descriptors = [] } = command;
  // Inherited like the environment. spawn() has no option for it, but returns only when the child has been forked.
  const before = umask === undefined ? undefined : process.umask(umask);
  try {
    return spawnChild(file, args, {
      ...(cwd === undefined ? {} : { cwd }),
      env: { ...(inheritEnv && process.env), ...env },
      ...(uid === undefined ? {} : { uid }),
      ...(gid === undefined ? {} : { gid }),
      stdio: ['ignore', log, log, ...descriptors],
      detached: true,
    });
  } catch (error) {
    throw cannotStart(command, error);
  } finally {
    if (before !== undefined) process.umask(before);
  }
}

async function exitOf(child: ChildProcess): Promise<Exit> {
  return new Promise((resolve) => {
    child.once('exit', (code, signal) =>
      resolve({
        isSuccess: code === 0,
        description: signal === null ? `exited with code ${code}` : `killed by ${signal}`,
      }),
    );
  });
}

async function errorOf(child: ChildProcess): Promise<unknown> {
  return new Promise((resolve) => child.once('error', resolve));
}

function cannotStart({ file }: Command, cause: unknown): Error {
  const code = errorCode(cause);
  const reason =
    code === 'ENOENT'
      ? 'there is no such program (or its working directory does not exist)'
      : reasonOf(cause);
  const message = `cannot start ${file}: ${reason}`;
  if (code !== undefined && transientErrors.has(code)) return new Error(message, { cause });
  return new Failure('preflight', message, {
    cause,
    hint: 'correct the command, or install the program',
  });
}

/**
 * Signals the process group and resolves when it is gone; SIGKILL after the grace period, or at a forced shutdown.
 * @throws StillRunning 30 s after a SIGKILL
 */
export async function stopGroup(
  { pid, exited }: Pick<Process, 'pid'> & { readonly exited: Promise<unknown> },
  policy: StopPolicy,
  forcedShutdown: ForcedShutdown,
): Promise<void> {
  const groupExited = processGroupExited(pid);
  // The exit of the leader is an event. Only then is /proc searched for other processes of the group.
  const allExited: Probe = async (signal) => {
    await exited;
    await groupExited(signal);
  };
  const timing = { attemptTimeoutMs: Infinity };
  const never = new AbortController().signal;
  if (!signalGroup(pid, policy.signal)) return;
  // A process stopped by SIGSTOP could not use its grace (systemd.kill(5) does the same).
  signalGroup(pid, 'SIGCONT');
  const { signal, unsubscribe } = forcedShutdown.subscribe();
  try {
    await until(allExited, { ...timing, timeoutMs: policy.graceMs }, signal);
  } catch {
    signalGroup(pid, 'SIGKILL');
    // After the time limit, a last attempt rejects with the names of the processes left.
    await until(allExited, { ...timing, timeoutMs: killTimeoutMs }, never)
      .catch(async () => groupExited(never))
      .catch((error: unknown) => {
        throw new StillRunning(groupExited, error);
      });
  } finally {
    unsubscribe();
  }
}

/** Returns false if the group has no process left. */
function signalGroup(pid: number, signal: NodeJS.Signals): boolean {
  try {
    return process.kill(-pid, signal);
  } catch {
    return false;
  }
}
