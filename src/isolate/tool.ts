import { execa } from 'execa';
import { Failure } from '../errors.ts';

/** A command and its arguments. */
export type Argv = readonly [string, ...string[]];

/**
 * Runs commands one after the other up to the first that fails, and resolves with what they printed on stdout. Rejects
 * with a preflight {@link Failure} that shows the command that failed and what it said. One shell runs them all:
 * a process started by Node.js takes 3 ms, and a box needs fifty.
 */
export async function run(...commands: readonly Argv[]): Promise<string> {
  const script = commands.map((argv) => argv.map(quote).join(' ')).join('\n');
  const { failed, stdout, stderr, shortMessage } = await execa('sh', ['-ex'], {
    input: script,
    reject: false,
    env: { PATH: pathWithSbin(), LC_ALL: 'C', PS4: trace },
  });
  if (!failed) return stdout;
  const [command, ...said] = stderr.slice(stderr.lastIndexOf(trace) + trace.length).split('\n');
  const program = said.some((line) => line.endsWith('not found')) ? command?.split(' ')[0] : undefined;
  if (program !== undefined) throw missing(program);
  throw new Failure('preflight', `${command}: ${said.join('; ') || shortMessage}`);
}

/** What the shell prints before each command. */
const trace = '+++ ';

/** The failure of a machine without the program `name`. */
export function missing(name: string, cause?: unknown): Failure {
  const debian = { ip: 'iproute2', mount: 'mount', umount: 'mount' }[name] ?? 'util-linux';
  return new Failure('preflight', `${name} is not installed`, { hint: `apt-get install ${debian}`, cause });
}

/** PATH as it is, and the two folders in which Debian keeps `ip` but which `su` and cron leave out. */
export function pathWithSbin(): string {
  return [process.env['PATH'], '/usr/sbin', '/sbin'].filter(Boolean).join(':');
}

function quote(word: string): string {
  return /^[\w/.:=,@%+-]+$/.test(word) ? word : `'${word.replaceAll("'", String.raw`'\''`)}'`;
}
