import { execa } from 'execa';
import { Failure } from '../errors.ts';

/** The system tools the box is made with, and the Debian package each comes from. */
export const packageOf = {
  flock: 'util-linux',
  ip: 'iproute2',
  mount: 'mount',
  nsenter: 'util-linux',
  umount: 'mount',
  unshare: 'util-linux',
} as const;

export type Tool = keyof typeof packageOf;

/**
 * Runs a system tool and resolves with what it printed on stdout. Rejects with a preflight {@link Failure} that holds
 * the command and the last thing it said, and how to get the tool when it is missing.
 */
export async function tool(name: Tool, args: readonly string[]): Promise<string> {
  const options = { stdin: 'ignore', reject: false, env: { PATH: pathWithSbin(), LC_ALL: 'C' } } as const;
  const { failed, code, stdout, stderr, shortMessage, escapedCommand, cause } = await execa(
    name,
    args,
    options,
  );
  if (code === 'ENOENT') throw missing(name, cause);
  if (failed)
    throw new Failure('preflight', `${escapedCommand}: ${stderr.trim() || shortMessage}`, { cause });
  return stdout;
}

/** The failure of a machine without `name`. */
export function missing(name: Tool, cause?: unknown): Failure {
  return new Failure('preflight', `${name} is not installed`, {
    hint: `apt-get install ${packageOf[name]}`,
    cause,
  });
}

/** PATH as it is, and the two folders in which Debian keeps `ip` but which `su` and cron leave out. */
export function pathWithSbin(): string {
  return [process.env['PATH'], '/usr/sbin', '/sbin'].filter(Boolean).join(':');
}
