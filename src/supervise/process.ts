import { once } from 'node:events';
import { createWriteStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { execa } from 'execa';
import { groupGone } from '../../probes/gone.ts';
import { until } from '../../probes/until.ts';
import type { Command, StopPolicy } from '../component.ts';
import { Failure, reasonOf } from '../errors.ts';
import { tail } from './tail.ts';

/** The end of a process: whether that was exit code 0, and in words: "exited with code 1", "killed by SIGKILL". */
interface Exit {
  readonly isSuccess: boolean;
  readonly how: string;
}

/** One running process, the leader of a process group of its own. */
export interface Process {
  readonly pid: number;
  /** How it ended. Never rejects. */
  readonly exited: Promise<Exit>;
  /** Known a little earlier than how. */
  hasExited(): boolean;
  /** What this process wrote last to its log. */
  lastLines(count: number): Promise<string[]>;
  /** Ends the whole group by the policy; `hurry` cuts the grace short. Resolves when the group is gone. */
  stop(policy: StopPolicy, hurry: AbortSignal): Promise<void>;
}

/** What keeps a good program from starting, but not for ever: no process, memory or descriptor left, or being written. */
const passing: ReadonlySet<string> = new Set(['EAGAIN', 'ENOMEM', 'EMFILE', 'ENFILE', 'ETXTBSY']);

/** From SIGKILL to gone: the kernel's work alone, but a process in disk sleep can take its time. */
const killedWithinMs = 30_000;

/**
 * Starts the command with its output appended to `logFile`, or where that links to: the component writes there itself, so
 * this program is never in the data path and its death sends nobody a SIGPIPE.
 * @throws Failure `preflight` with the reason when it cannot be started, and a mere Error when it may be the next time.
 */
export async function spawn(command: Command, logFile: string): Promise<Process> {
  const log = createWriteStream(logFile, { flags: 'a', mode: 0o600 });
  await once(log, 'open');
  const { size } = await stat(logFile);
  const child = execa(command.file, command.args, {
    ...(command.cwd === undefined ? {} : { cwd: command.cwd }),
    ...(command.env === undefined ? {} : { env: command.env }),
    ...(command.uid === undefined ? {} : { uid: command.uid }),
    ...(command.gid === undefined ? {} : { gid: command.gid }),
    stdio: ['ignore', log, log],
    detached: true,
    cleanup: false,
    reject: false,
    buffer: false,
  });
  const exited = child.then(({ signal, exitCode }) => ({
    isSuccess: exitCode === 0,
    how: signal === undefined ? `exited with code ${exitCode}` : `killed by ${signal}`,
  }));
  const { pid } = child;
  // The child has its own copy of the descriptor.
  log.destroy();
  if (pid === undefined) throw await whyNotStarted(command, child);
  return {
    pid,
    exited,
    hasExited: () => child.exitCode !== null || child.signalCode !== null,
    lastLines: (count) => tail(logFile, count, size),
    stop: (policy, hurry) => stopGroup(pid, policy, hurry),
  };
}

async function whyNotStarted(command: Command, child: PromiseLike<{ cause?: unknown }>): Promise<Error> {
  const { cause } = await child;
  const code = cause instanceof Error && 'code' in cause ? String(cause.code) : '';
  const missing = code === 'ENOENT';
  const reason = missing ? 'there is no such program (or its working folder is missing)' : reasonOf(cause);
  const message = `cannot start ${command.file}: ${reason}`;
  if (passing.has(code)) return new Error(message, { cause });
  // It will not be there at the next try, either.
  return new Failure('preflight', message, {
    cause,
    hint: 'correct the command, or install what it names',
  });
}

async function stopGroup(pid: number, policy: StopPolicy, hurry: AbortSignal): Promise<void> {
  const gone = groupGone(pid);
  const never = new AbortController().signal;
  if (!signalGroup(pid, policy.signal)) return;
  try {
    hurry.throwIfAborted();
    await until(gone, { timeoutMs: policy.graceMs }, hurry);
  } catch {
    signalGroup(pid, 'SIGKILL');
    await until(gone, { timeoutMs: killedWithinMs }, never);
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
