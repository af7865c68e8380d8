import { randomBytes } from 'node:crypto';
import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { parseDuration } from '../../config/schema/duration.ts';
import { exitCodes, Failure, reasonOf } from '../../lib/errors.ts';
import { checks } from '../../smoke/checks.ts';
import type { Check } from '../../smoke/check.ts';
import { junit } from '../../smoke/output/junit.ts';
import { select } from '../../smoke/select.ts';
import { runNamespace, smoke as runSmokeTest } from '../../smoke/smoke.ts';
import { Interrupted, signalExitCode, Signals } from '../../lib/signals.ts';
import { targetOf } from './target.ts';
import { smokeView } from './view.ts';

interface SmokeOptions {
  readonly name: string;
  readonly kubeconfig?: string;
  readonly image?: string;
  readonly binDir?: readonly string[];
  readonly only?: readonly string[];
  readonly skip?: readonly string[];
  readonly list?: boolean;
  readonly timeout: string;
  readonly junit?: string;
  readonly output: 'pretty' | 'tap' | 'json';
}

/** `k8s-single smoke`. Resolves with 7 when a check failed, and with 128 + n when signal n interrupted it. */
export async function smoke(options: SmokeOptions): Promise<number> {
  const selected = select(checks, { only: options.only ?? [], skip: options.skip ?? [] });
  if (options.list === true) return list(selected, options.output);
  const timeoutMs = parseDuration(options.timeout);
  using signals = new Signals();
  try {
    const failed = await runSmoke(selected, { ...options, timeoutMs }, signals);
    if (signals.first !== undefined) return signalExitCode(signals.first);
    return failed ? exitCodes.smoke : exitCodes.ok;
  } catch (error) {
    if (error instanceof Interrupted) return signalExitCode(signals.first ?? error.signal);
    throw error;
  }
}

/** Runs the checks, shows and writes what came of them, and resolves with whether one failed. */
async function runSmoke(
  selected: readonly Check[],
  options: SmokeOptions & { readonly timeoutMs: number },
  signals: Signals,
): Promise<boolean> {
  const { timeoutMs, output, junit: report } = options;
  const startedAt = new Date();
  const begin = performance.now();
  const run = randomBytes(4).toString('hex');
  const [first, second] = [new AbortController(), new AbortController()];
  // The first signal ends the checks in order, the second at once.
  signals.handleWith((name) => (first.signal.aborted ? second : first).abort(new Interrupted(name)));
  const { signal } = first;
  const hurry = second.signal;
  const { name, leave, ...means } = await targetOf(options, run, signal);
  try {
    const watcher = smokeView(output, selected);
    const results = await runSmokeTest({
      ...means,
      run,
      checks: selected,
      timeoutMs,
      watcher,
      signal,
      hurry,
    });
    const ms = performance.now() - begin;
    watcher.end(results, ms, signals.first);
    if (hurry.aborted) console.error(`  the cluster goes on removing namespace ${runNamespace(run)}`);
    if (report !== undefined) await writeReport(report, junit(results, { name, startedAt, ms }));
    return results.some(({ is }) => is === 'failed');
  } finally {
    await leave();
  }
}

function list(selected: readonly Check[], output: SmokeOptions['output']): number {
  const column = Math.max(...selected.map(({ name }) => name.length));
  for (const { name, summary, needs } of selected) {
    if (output === 'json') console.log(JSON.stringify({ name, summary, needs }));
    else console.log(`${name.padEnd(column)}  ${summary}`);
  }
  return exitCodes.ok;
}

async function writeReport(file: string, text: string): Promise<void> {
  try {
    await mkdir(dirname(resolve(file)), { recursive: true });
    await writeFile(file, text);
  } catch (cause) {
    throw new Failure('usage', `the report cannot be written: ${reasonOf(cause)}`, { cause });
  }
}
