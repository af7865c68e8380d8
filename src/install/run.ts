import { appendFileSync } from 'node:fs';
import { execa } from 'execa';
import { shellCommand } from '../lib/commandLine.ts';
import { Failure } from '../lib/errors.ts';

interface RunOptions {
  /** The purpose, for messages: "unpack the source". */
  readonly what: string;
  readonly cwd?: string;
  /** Added to our environment, or the whole environment with `isolateEnv`. */
  readonly env?: Readonly<Record<string, string>>;
  readonly isolateEnv?: boolean;
  /** Receives each line of output immediately. */
  readonly onLine?: (line: string) => void;
}

/**
 * Runs a command to its end and resolves with its stdout.
 *
 * @throws Failure `install` with the last 20 lines, the log file and the command to paste; the signal's reason when
 *   it aborts, after the command's whole process group is killed.
 */
export type Run = (file: string, args: readonly string[], options: RunOptions) => Promise<string>;

export interface RunnerOptions {
  /** All output is appended to it. */
  readonly logFile: string;
  readonly signal: AbortSignal;
  /** The stdin of every command: a lock on this descriptor lasts until the command has exited, too. */
  readonly lockFd?: number;
}

/** Kills commands when this process dies, even by SIGKILL (PR_SET_PDEATHSIG). */
const dieWithParent = ['setpriv', '--pdeathsig', 'KILL', '--'] as const;

export function runner({ logFile, signal, lockFd }: RunnerOptions): Run {
  return async (file, args, { what, cwd, env, isolateEnv = false, onLine }) => {
    signal.throwIfAborted();
    const command = shellCommand({ file, args, env, cwd });
    appendFileSync(logFile, `$ ${command}\n`);
    const logLine = function* (line: unknown) {
      appendFileSync(logFile, `${String(line)}\n`);
      onLine?.(String(line));
      yield line;
    };
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- execa's types know descriptors up to 9 only
    const stdin = lockFd === undefined ? 'ignore' : (lockFd as 9);
    const [first, ...rest] = [...dieWithParent, file, ...args];
    const child = execa(first, rest, {
      reject: false,
      all: true,
      stdio: [stdin, logLine, logLine],
      detached: true,
      extendEnv: !isolateEnv,
      ...(cwd !== undefined && { cwd }),
      ...(env && { env }),
    });
    const kill = () => killGroup(child.pid);
    signal.addEventListener('abort', kill, { once: true });
    const result = await child.finally(() => signal.removeEventListener('abort', kill));
    signal.throwIfAborted();
    if (!result.failed) return typeof result.stdout === 'string' ? result.stdout : '';
    const reason =
      result.signal ?? (result.exitCode === undefined ? result.shortMessage : `exit ${result.exitCode}`);
    const lines = (typeof result.all === 'string' ? result.all : '').trim().split('\n').slice(-20);
    throw new Failure('install', [`could not ${what}: ${reason}`, ...lines].join('\n'), {
      hint: `the whole output is in ${logFile}; the command was\n${command}`,
      cause: result,
    });
  };
}

function killGroup(pid: number | undefined): void {
  if (pid === undefined) return;
  try {
    process.kill(-pid, 'SIGKILL');
  } catch {
    // Already exited.
  }
}
