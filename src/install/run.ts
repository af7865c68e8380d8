import { appendFileSync } from 'node:fs';
import { execa } from 'execa';
import { Failure } from '../lib/errors.ts';

interface RunOptions {
  /** What it is for, as in "unpack the source". */
  readonly what: string;
  readonly cwd?: string;
  /** The whole environment when `alone`, else added to ours. */
  readonly env?: Readonly<Record<string, string>>;
  readonly alone?: boolean;
  /** Each line of output as it comes. */
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
  /** An open file that every command has as its stdin: a lock on it is held until the command is gone, too. */
  readonly lockFd?: number;
}

/** Commands die with us even when we are killed (PR_SET_PDEATHSIG), so that none outlives its purpose. */
const dieWithParent = ['setpriv', '--pdeathsig', 'KILL', '--'] as const;

export function runner({ logFile, signal, lockFd }: RunnerOptions): Run {
  return async (file, args, options) => {
    const { what, cwd, env, alone = false, onLine } = options;
    signal.throwIfAborted();
    const pasted = paste(file, args, options);
    appendFileSync(logFile, `$ ${pasted}\n`);
    const each = function* (line: unknown) {
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
      stdio: [stdin, each, each],
      detached: true,
      extendEnv: !alone,
      ...(cwd !== undefined && { cwd }),
      ...(env && { env }),
    });
    const kill = () => killGroup(child.pid);
    signal.addEventListener('abort', kill, { once: true });
    const result = await child.finally(() => signal.removeEventListener('abort', kill));
    signal.throwIfAborted();
    if (!result.failed) return typeof result.stdout === 'string' ? result.stdout : '';
    const how =
      result.signal ?? (result.exitCode === undefined ? result.shortMessage : `exit ${result.exitCode}`);
    const lines = (typeof result.all === 'string' ? result.all : '').trim().split('\n').slice(-20);
    throw new Failure('install', [`could not ${what}: ${how}`, ...lines].join('\n'), {
      hint: `the whole output is in ${logFile}; the command was\n${pasted}`,
      cause: result,
    });
  };
}

function killGroup(pid: number | undefined): void {
  if (pid === undefined) return;
  try {
    process.kill(-pid, 'SIGKILL');
  } catch {
    // Already gone.
  }
}

function paste(file: string, args: readonly string[], { cwd, env }: RunOptions): string {
  const words = [file, ...args].map(quote);
  const set = Object.entries(env ?? {}).map(([name, value]) => `${name}=${quote(value)}`);
  const command = [...(set.length > 0 ? ['env', ...set] : []), ...words].join(' ');
  return cwd === undefined ? command : `(cd ${quote(cwd)} && ${command})`;
}

function quote(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;
}
