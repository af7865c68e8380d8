import { exec } from '../../probes/kinds/exec.ts';
import { parseProbe } from '../../probes/kinds/parseProbe.ts';
import { probeOnce } from '../../probes/probeOnce.ts';
import { Unhealthy } from '../../probes/probe.ts';
import type { Probe } from '../../probes/probe.ts';
import { parseDuration } from '../config/schema/duration.ts';
import { Failure, reasonOf } from '../lib/errors.ts';

interface ProbeOptions {
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
  readonly timeout: string;
}

/** `k8s-single probe KIND TARGET`: runs a probe once. Exit code 0, or 1 after printing the reason. */
export async function probe(
  kind: string,
  target: readonly string[],
  { timeout, ...tls }: ProbeOptions,
): Promise<number> {
  const subject = `${kind} ${target.join(' ')}`;
  const parsed = parse(kind, target, tls);
  const started = performance.now();
  try {
    await probeOnce(parsed, parseDuration(timeout), new AbortController().signal);
    console.error(`${subject}: healthy (${Math.round(performance.now() - started)} ms)`);
    return 0;
  } catch (error) {
    if (!(error instanceof Unhealthy)) throw error;
    console.error(`${subject}: ${error.message}`);
    return 1;
  }
}

function parse(kind: string, target: readonly string[], tls: Omit<ProbeOptions, 'timeout'>): Probe {
  const [program, ...args] = target;
  // Keep the words as the shell has quoted them.
  if (kind === 'exec' && program !== undefined && args.length > 0) return exec([program, ...args]);
  try {
    return parseProbe(kind, target.join(' '), tls);
  } catch (error) {
    throw new Failure('usage', reasonOf(error), { cause: error });
  }
}
