import { randomBytes } from 'node:crypto';
import { mkdir } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { parseDuration } from '../../config/schema/duration.ts';
import { exitCodes, Failure, reasonOf } from '../../lib/errors.ts';
import { writeOutput } from '../../lib/outputFile.ts';
import { Interrupted, signalExitCode, Signals } from '../../lib/signals.ts';
import { table } from '../../lib/text/table.ts';
import { styleFor } from '../../observe/terminal/style.ts';
import type { Check } from '../../smoke/check.ts';
import { checks } from '../../smoke/checks.ts';
import { jsonView } from '../../smoke/output/json.ts';
import { junit } from '../../smoke/output/junit.ts';
import { prettyView } from '../../smoke/output/pretty.ts';
import { tapView } from '../../smoke/output/tap.ts';
import type { View } from '../../smoke/output/view.ts';
import { select } from '../../smoke/select.ts';
import { runNamespace, smoke as runSmokeTest } from '../../smoke/smoke.ts';
import { findTarget } from './target.ts';

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

/** `k8s-single smoke`. Exit code 7 if a check failed, 128 + n if signal n interrupted it. */
export async function smoke(options: SmokeOptions): Promise<number> {
  const selected = select(checks, { only: options.only ?? [], skip: options.skip ?? [] });
  if (options.list === true) return listChecks(selected, options.output);
  const timeoutMs = parseDuration(options.timeout);
  using signals = new Signals();
  try {
    const failed = await runChecks(selected, { ...options, timeoutMs }, signals);
    if (signals.first !== undefined) return signalExitCode(signals.first);
    return failed ? exitCodes.smoke : exitCodes.ok;
  } catch (error) {
    if (error instanceof Interrupted) return signalExitCode(signals.first ?? error.signal);
    throw error;
  }
}

/** Runs the checks, shows their results and writes the report. Resolves with whether a check failed. */
async function runChecks(
  selected: readonly Check[],
  options: SmokeOptions & { readonly timeoutMs: number },
  signals: Signals,
): Promise<boolean> {
  const { timeoutMs, output, junit: reportFile } = options;
  const startedAt = new Date();
  const start = performance.now();
  const run = randomBytes(4).toString('hex');
  const [first, second] = [new AbortController(), new AbortController()];
  // The first signal ends the checks in order, the second at once.
  signals.handleWith((name) => (first.signal.aborted ? second : first).abort(new Interrupted(name)));
  const { signal } = first;
  const { name, cleanUp, ...target } = await findTarget(options, run, signal);
  try {
    const watcher = createView(output, selected);
    const results = await runSmokeTest({
      ...target,
      run,
      checks: selected,
      timeoutMs,
      watcher,
      signal,
      cleanupSignal: second.signal,
    });
    const ms = performance.now() - start;
    watcher.end(results, ms, signals.first);
    if (second.signal.aborted)
      console.error(`  the cluster is still removing namespace ${runNamespace(run)}`);
    if (reportFile !== undefined) await writeReport(reportFile, junit(results, { name, startedAt, ms }));
    return results.some(({ outcome }) => outcome === 'failed');
  } finally {
    await cleanUp();
  }
}

function listChecks(selected: readonly Check[], output: SmokeOptions['output']): number {
  const lines =
    output === 'json'
      ? selected.map(({ name, summary, needs }) => JSON.stringify({ name, summary, needs }))
      : table(selected.map(({ name, summary }) => [name, summary]));
  for (const line of lines) console.log(line);
  return exitCodes.ok;
}

/** Writes machine-readable output to stdout, everything for people to stderr. */
function createView(output: SmokeOptions['output'], selected: readonly Check[]): View {
  switch (output) {
    case 'tap':
      return tapView(write, selected.length);
    case 'json':
      return jsonView(write);
    case 'pretty': {
      const { stderr } = process;
      const names = selected.map(({ name }) => name);
      const inPlace = stderr.isTTY && process.env['TERM'] !== 'dumb';
      return prettyView(stderr, { names, style: styleFor(stderr), inPlace });
    }
  }
}

function write(text: string): void {
  process.stdout.write(text);
}

async function writeReport(file: string, text: string): Promise<void> {
  try {
    await mkdir(dirname(resolve(file)), { recursive: true });
    await writeOutput(file, text);
  } catch (cause) {
    throw new Failure('usage', `the report cannot be written: ${reasonOf(cause)}`, { cause });
  }
}
