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

/** `k8s-single probe KIND TARGET`: one look. Resolves with 0, or with 1 after saying why not. */
export async function probe(
  kind: string,
  target: readonly string[],
  { timeout, ...tls }: ProbeOptions,
): Promise<number> {
  const what = `${kind} ${target.join(' ')}`;
  const found = parse(kind, target, tls);
  const started = performance.now();
  try {
    await probeOnce(found, parseDuration(timeout), new AbortController().signal);
    console.error(`${what}: healthy (${Math.round(performance.now() - started)} ms)`);
    return 0;
  } catch (error) {
    if (!(error instanceof Unhealthy)) throw error;
    console.error(`${what}: ${error.message}`);
    return 1;
  }
}

function parse(kind: string, target: readonly string[], tls: Omit<ProbeOptions, 'timeout'>): Probe {
  const [program, ...args] = target;
  // As words, so that what the shell has quoted stays together.
  if (kind === 'exec' && program !== undefined && args.length > 0) return exec([program, ...args]);
  try {
    return parseProbe(kind, target.join(' '), tls);
  } catch (error) {
    throw new Failure('usage', reasonOf(error), { cause: error });
  }
}
