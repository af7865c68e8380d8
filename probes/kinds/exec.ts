import { Unhealthy, type Probe } from '../probe.ts';
import { errorCode } from '../errorCode.ts';
import { oneLine } from '../transport/reason.ts';

export interface ExecOptions {
  readonly cwd?: string;
  /** Added to the environment of this process. */
  readonly env?: Readonly<Record<string, string>>;
  /** Numeric user and group to run as. Default: those of this process. */
  readonly uid?: number;
  readonly gid?: number;
}

/** How much of the end of stderr is kept, in characters. */
const tailChars = 4096;

/**
 * Passes when the command, run without a shell, exits with 0. The reason is its exit code and its last line on stderr;
 * stdout is discarded. It runs in its own process group, which is killed at its exit and at an abort, so that an attempt
 * leaves nothing running. If `options` is a function, it is called for each attempt.
 */
export function exec(
  command: readonly [string, ...string[]],
  options: ExecOptions | (() => Promise<ExecOptions>) = {},
): Probe {
  const [name, ...args] = command;
  return async (signal) => {
    // Loaded at the first attempt: loading takes about 50 ms.
    const { execa } = await import('execa');
    const given = typeof options === 'function' ? await options() : options;
    signal.throwIfAborted();
    const child = execa(name, args, {
      ...given,
      detached: true,
      reject: false,
      buffer: false,
      stdin: 'ignore',
      stdout: 'ignore',
      stderr: 'pipe',
    });
    const kill = () => killGroup(child.pid);
    const onAbort = () => {
      kill();
      child.stderr.destroy();
    };
    signal.addEventListener('abort', onAbort, { once: true });
    // Not the end of stderr: a grandchild outside the group may hold it open.
    const passed = new Promise<true>((resolve) => {
      child.once('exit', (code) => {
        kill();
        if (code === 0) resolve(true);
      });
    });
    let tail = '';
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      tail = (tail + text).slice(-tailChars);
    });
    try {
      const result = await Promise.race([passed, child]);
      signal.throwIfAborted();
      if (result === true) return;
      throw failed(name, result, tail);
    } finally {
      signal.removeEventListener('abort', onAbort);
      child.stderr.destroy();
    }
  };
}

interface Result {
  readonly exitCode?: number;
  readonly signal?: string;
  readonly cause?: unknown;
}

function failed(name: string, { exitCode, signal, cause }: Result, stderr: string): Unhealthy {
  if (exitCode === undefined && signal === undefined)
    return new Unhealthy(notStarted(name, cause), { cause });
  const how = signal === undefined ? `exited with ${exitCode}` : `was killed by ${signal}`;
  const lastLine = oneLine(stderr.trimEnd().split('\n').at(-1) ?? '');
  return new Unhealthy(`${name} ${how}${lastLine && `: ${lastLine}`}`);
}

function notStarted(name: string, cause: unknown): string {
  const code = errorCode(cause);
  if (code === 'ENOENT') return `command not found: ${name}`;
  if (code === 'EACCES') return `not executable: ${name}`;
  return `${name} could not be started: ${String(cause)}`;
}

function killGroup(pid: number | undefined): void {
  if (pid === undefined) return;
  try {
    process.kill(-pid, 'SIGKILL');
  } catch (error) {
    if (errorCode(error) !== 'ESRCH') throw error;
  }
}
