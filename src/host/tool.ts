import { execFile } from 'node:child_process';
import type { ExecFileException } from 'node:child_process';
import { promisify } from 'node:util';
import { commandLine } from '../lib/commandLine.ts';
import { Failure } from '../lib/errors.ts';

/** A command and its arguments. */
export type Argv = readonly [string, ...string[]];

/** Where commands run. */
export interface RunLocation {
  /** Where they are looked for: like PATH, and the default is that. */
  readonly path?: string | undefined;
  /** In other namespaces: options of nsenter(1). */
  readonly namespaces?: readonly string[];
}

/**
 * Runs commands one after the other up to the first that fails, and resolves with what they printed on stdout. Rejects
 * with a preflight {@link Failure} that shows the command that failed and what it said. One shell runs them all:
 * a process started by Node.js takes 3 ms, and a box needs fifty.
 */
export async function run(...commands: readonly Argv[]): Promise<string> {
  return runAt({}, ...commands);
}

/** The same there. */
export async function runAt(place: RunLocation, ...commands: readonly Argv[]): Promise<string> {
  const script = commands.map(commandLine);
  const { error, stdout, stderr } = await shell(script.join('\n'), place);
  if (error === null) return stdout.trimEnd();
  const begun = stderr.split(trace).length - 1;
  const said = (stderr.split(trace).at(-1) ?? '')
    .trimEnd()
    .split('\n')
    .slice(begun === 0 ? 0 : 1)
    .map((line) => line.trim());
  const [file] = commands[begun - 1] ?? argvAt(place);
  if (error.code === notFound || error.code === 'ENOENT') throw notInstalled(file);
  throw new Failure('preflight', `${script[begun - 1] ?? file}: ${said.join(' ') || error.message}`);
}

/** One program and no shell, in `timeoutMs` at most: resolves with what it printed on stdout. Rejects as execFile does. */
export async function runOne([file, ...args]: Argv, timeoutMs = 0): Promise<string> {
  const env = { ...process.env, PATH: pathWithSbin() };
  const { stdout } = await promisify(execFile)(file, args, { env, timeout: timeoutMs });
  return stdout;
}

interface Ended {
  readonly error: ExecFileException | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Nothing of a library: that would take as long to load as all of the box to make. */
async function shell(script: string, place: RunLocation): Promise<Ended> {
  const env = { ...process.env, PATH: pathWithSbin(place.path), LC_ALL: 'C', PS4: trace };
  const [file, ...args] = argvAt(place);
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

/** The shell's exit code for a program that is not there (sh(1)). */
const notFound = 127;

/** What the shell prints before each command. */
const trace = '+++ ';

/** The failure of a machine without the program `name`. */
export function notInstalled(name: string, cause?: unknown): Failure {
  const debian = { ip: 'iproute2', mount: 'mount', umount: 'mount' }[name] ?? 'util-linux';
  return new Failure('preflight', `${name} is not installed`, { hint: `apt-get install ${debian}`, cause });
}

/** The path, and the two folders in which Debian keeps `ip` but which `su` and cron leave out. */
export function pathWithSbin(path = process.env['PATH']): string {
  return [path, '/usr/sbin', '/sbin'].filter(Boolean).join(':');
}
