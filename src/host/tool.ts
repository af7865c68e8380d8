import { execFile } from 'node:child_process';
import type { ExecFileException } from 'node:child_process';
import { promisify } from 'node:util';
import { commandLine } from '../lib/commandLine.ts';
import { Failure } from '../lib/errors.ts';
import { hasErrorCode } from '../lib/systemError.ts';

/** A command and its arguments. */
export type Argv = readonly [string, ...string[]];

/** Where commands run. */
export interface RunLocation {
  /** The folders in which programs are found, colon-separated. Default: PATH. */
  readonly path?: string | undefined;
  /** Other namespaces: options of nsenter(1). */
  readonly namespaces?: readonly string[];
}

/**
 * Runs commands one after the other until one fails, and resolves with their stdout. Rejects with a preflight {@link Failure}
 * that shows the failed command and its stderr. One shell runs them all: Node.js takes 3 ms to start a process, and a sandbox
 * needs fifty.
 */
export async function run(...commands: readonly Argv[]): Promise<string> {
  return runAt({}, ...commands);
}

/** {@link run} at another location. */
export async function runAt(location: RunLocation, ...commands: readonly Argv[]): Promise<string> {
  const script = commands.map(commandLine);
  const { error, stdout, stderr } = await shell(script.join('\n'), location);
  if (error === null) return stdout.trimEnd();
  const traced = stderr.split(tracePrefix);
  const started = traced.length - 1;
  const lines = (traced.at(-1) ?? '')
    .trimEnd()
    .split('\n')
    .slice(started === 0 ? 0 : 1)
    .map((line) => line.trim());
  const [file] = commands[started - 1] ?? argvAt(location);
  if (error.code === notFound || hasErrorCode(error, 'ENOENT')) throw notInstalled(file);
  throw new Failure('preflight', `${script[started - 1] ?? file}: ${lines.join(' ') || error.message}`);
}

/** Runs one program without a shell, for at most `timeoutMs` (0: no limit), and resolves with its stdout. Rejects as execFile does. */
export async function runOne([file, ...args]: Argv, timeoutMs = 0): Promise<string> {
  const env = { ...process.env, PATH: pathWithSbin() };
  const { stdout } = await promisify(execFile)(file, args, { env, timeout: timeoutMs });
  return stdout;
}

interface ShellResult {
  readonly error: ExecFileException | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Without a library: loading one would take as long as setting up the whole sandbox. */
async function shell(script: string, location: RunLocation): Promise<ShellResult> {
  const env = { ...process.env, PATH: pathWithSbin(location.path), LC_ALL: 'C', PS4: tracePrefix };
  const [file, ...args] = argvAt(location);
  return new Promise((resolve) => {
    const options = { env, maxBuffer: Number.POSITIVE_INFINITY };
    const child = execFile(file, [...args, script], options, (error, stdout, stderr) =>
      resolve({ error, stdout, stderr }),
    );
    child.stdin?.end();
  });
}

function argvAt({ namespaces }: RunLocation): Argv {
  return namespaces === undefined ? ['sh', '-exc'] : ['nsenter', ...namespaces, 'sh', '-exc'];
}

/** The shell's exit code for a missing program (sh(1)). */
const notFound = 127;

/** The shell prints it before each command (set -x). */
const tracePrefix = '+++ ';

/** The error for a machine without the program `name`. */
export function notInstalled(name: string, cause?: unknown): Failure {
  const debian = { ip: 'iproute2', mount: 'mount', umount: 'mount' }[name] ?? 'util-linux';
  return new Failure('preflight', `${name} is not installed`, { hint: `apt-get install ${debian}`, cause });
}

/** The path with the two folders of `ip` on Debian, which are not in the PATH of `su` and cron. */
export function pathWithSbin(path = process.env['PATH']): string {
  return [path, '/usr/sbin', '/sbin'].filter(Boolean).join(':');
}
