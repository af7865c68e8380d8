import { spawn as spawnChild } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { closeSync, fstatSync } from 'node:fs';
import { processGroupExited } from '../../../probes/kinds/processGroupExited.ts';
import type { Probe } from '../../../probes/probe.ts';
import { until } from '../../../probes/until.ts';
import type { Command, StopPolicy } from '../component.ts';
import { Failure, reasonOf } from '../../lib/errors.ts';
import type { ForcedShutdown } from './forcedShutdown.ts';
import { openLog } from './logFile.ts';
import { tail } from './tail.ts';

/** The end of a process: whether that was exit code 0, and in words: "exited with code 1", "killed by SIGKILL". */
interface Exit {
  readonly isSuccess: boolean;
  readonly description: string;
}

/** One running process, the leader of a process group of its own. */
export interface Process {
  readonly pid: number;
  /** How it ended. Never rejects. */
  readonly exited: Promise<Exit>;
  /** Known a little earlier than how. */
  hasExited(): boolean;
  /** What this process wrote last to its log. */
  lastLines(count: number): string[];
  /** Ends the whole group by the policy; `hurry` cuts the grace short. Resolves when the group is gone. */
  stop(policy: StopPolicy, forcedShutdown: ForcedShutdown): Promise<void>;
}

/** What keeps a good program from starting, but not for ever: no process, memory or descriptor left, or being written. */
const passing: ReadonlySet<string> = new Set(['EAGAIN', 'ENOMEM', 'EMFILE', 'ENFILE', 'ETXTBSY']);

/** From SIGKILL to gone: the kernel's work alone, but a process in disk sleep can take its time. */
const killedWithinMs = 30_000;

/** Where a process writes: `path`, or `elsewhere` with a link to it at `path`. */
interface Log {
  readonly path: string;
  readonly elsewhere: string | undefined;
}

/**
 * Starts the command with its output appended to the log: the component writes there itself, so this program is never in the
 * data path and its death sends nobody a SIGPIPE. When `signal` aborts before the start, there is none.
 * @throws Failure `preflight` with the reason when it cannot be started, and a mere Error when it may be the next time.
 */
export async function spawn(
  command: Command,
  { path, elsewhere }: Log,
  signal: AbortSignal,
): Promise<Process> {
  const log = await openLog(path, elsewhere);
  try {
    signal.throwIfAborted();
    return await spawnInto(log, command, path);
  } finally {
    // The child has its own copy of the descriptor.
    closeSync(log);
  }
}

/** Not by execa: 0.5 ms more for each, and as long as nobody loads it 2 MB less of a supervisor (bench/NOTES.md). */
async function spawnInto(log: number, command: Command, path: string): Promise<Process> {
  const { size } = fstatSync(log);
  const child = begin(command, log);
  const exited = endOf(child);
  const { pid } = child;
  if (pid === undefined) throw notStarted(command, await refusal(child));
  return {
    pid,
    exited,
    hasExited: () => child.exitCode !== null || child.signalCode !== null,
    lastLines: (count) => tail(path, count, size),
    stop: (policy, forcedShutdown) => stopGroup({ pid, exited }, policy, forcedShutdown),
  };
}

/** Some errors are thrown; the others {@link refusal} waits for. */
function begin(command: Command, log: number): ChildProcess {
  const { file, args, cwd, env, uid, gid } = command;
  try {
    return spawnChild(file, args, {
      ...(cwd === undefined ? {} : { cwd }),
      ...(env === undefined ? {} : { env: { ...process.env, ...env } }),
      ...(uid === undefined ? {} : { uid }),
      ...(gid === undefined ? {} : { gid }),
      stdio: ['ignore', log, log],
      detached: true,
    });
  } catch (error) {
    throw notStarted(command, error);
  }
}

async function endOf(child: ChildProcess): Promise<Exit> {
  return new Promise((resolve) => {
    child.once('exit', (code, signal) =>
      resolve({
        isSuccess: code === 0,
        description: signal === null ? `exited with code ${code}` : `killed by ${signal}`,
      }),
    );
  });
}

async function refusal(child: ChildProcess): Promise<unknown> {
  return new Promise((resolve) => child.once('error', resolve));
}

function notStarted({ file }: Command, cause: unknown): Error {
  const code = cause instanceof Error && 'code' in cause ? String(cause.code) : '';
  const missing = code === 'ENOENT';
  const reason = missing ? 'there is no such program (or its working folder is missing)' : reasonOf(cause);
  const message = `cannot start ${file}: ${reason}`;
  if (passing.has(code)) return new Error(message, { cause });
  // It will not be there at the next try, either.
  return new Failure('preflight', message, {
    cause,
    hint: 'correct the command, or install what it names',
  });
}

async function stopGroup(
  { pid, exited }: Pick<Process, 'pid' | 'exited'>,
  policy: StopPolicy,
  forcedShutdown: ForcedShutdown,
): Promise<void> {
  const gone = processGroupExited(pid);
  // The kernel tells of the end of the process itself; only for those that outlive it all processes are looked through.
  const ended: Probe = async (signal) => {
    await exited;
    await gone(signal);
  };
  const oneAttempt = { attemptTimeoutMs: Infinity };
  const never = new AbortController().signal;
  if (!signalGroup(pid, policy.signal)) return;
  const { signal, leave } = forcedShutdown.subscribe();
  try {
    await until(ended, { ...oneAttempt, timeoutMs: policy.graceMs }, signal);
  } catch {
    signalGroup(pid, 'SIGKILL');
    // The last look says who is left.
    await until(ended, { ...oneAttempt, timeoutMs: killedWithinMs }, never).catch(async () => gone(never));
  } finally {
    leave();
  }
}

/** False when nobody is left in the group. */
function signalGroup(pid: number, signal: NodeJS.Signals): boolean {
  try {
    return process.kill(-pid, signal);
  } catch {
    return false;
  }
}
