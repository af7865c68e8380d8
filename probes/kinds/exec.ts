import { Unhealthy, type Probe } from '../probe.ts';
import { codeOf, oneLine } from '../transport/reason.ts';

export interface ExecOptions {
  readonly cwd?: string;
  /** Added to our own environment. */
  readonly env?: Readonly<Record<string, string>>;
}

const TAIL_BYTES = 4096;

/**
 * The command, run without a shell, exits 0. The reason is its exit code and the last line it wrote to stderr; its
 * stdout is not read. It runs in a process group of its own, which is killed at its exit and when the look ends, so a
 * look leaves nothing running.
 */
export function exec(command: readonly [string, ...string[]], options: ExecOptions = {}): Probe {
  const [name, ...args] = command;
  return async (signal) => {
    // Loaded at the first look: loading takes about 50 ms.
    const { execa } = await import('execa');
    signal.throwIfAborted();
    const child = execa(name, args, {
      ...options,
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
    // A grandchild outside the group may hold stderr open, so the exit itself counts.
    const passed = new Promise<true>((resolve) => {
      child.once('exit', (code) => {
        kill();
        if (code === 0) resolve(true);
      });
    });
    let tail = '';
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      tail = (tail + text).slice(-TAIL_BYTES);
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
  const said = oneLine(stderr.trimEnd().split('\n').at(-1) ?? '');
  return new Unhealthy(`${name} ${how}${said && `: ${said}`}`);
}

function notStarted(name: string, cause: unknown): string {
  const code = codeOf(cause);
  if (code === 'ENOENT') return `command not found: ${name}`;
  if (code === 'EACCES') return `not executable: ${name}`;
  return `${name} could not be started: ${String(cause)}`;
}

function killGroup(pid: number | undefined): void {
  if (pid === undefined) return;
  try {
    process.kill(-pid, 'SIGKILL');
  } catch (error) {
    if (codeOf(error) !== 'ESRCH') throw error;
  }
}
