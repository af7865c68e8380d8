import { commandLine } from '../lib/commandLine.ts';
import { Failure } from '../lib/errors.ts';

/** Throws a preflight {@link Failure} unless this process runs as root. */
export function assertRoot(reason = 'it creates namespaces, cgroups and containers'): void {
  if (process.geteuid?.() === 0) return;
  throw new Failure('preflight', `this needs root: ${reason}`, {
    hint: `sudo ${commandLine(process.argv)}`,
  });
}
