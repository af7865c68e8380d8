import { randomBytes } from 'node:crypto';
import { constants } from 'node:os';
import { resolve } from 'node:path';
import { mkdir, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { parseDuration } from '../config/duration.ts';
import { exitCodes, Failure, reasonOf } from '../errors.ts';
import { checks } from '../smoke/checks.ts';
import type { Check } from '../smoke/check.ts';
import { junit } from '../smoke/output/junit.ts';
import { select } from '../smoke/select.ts';
import { smoke } from '../smoke/smoke.ts';
import { interruptions } from './interruptions.ts';
import { targetOf } from './smokeTarget.ts';
import { smokeView } from './smokeView.ts';

export interface SmokeOptions {
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
export async function smokeCommand(options: SmokeOptions): Promise<number> {
  const selected = select(checks, { only: options.only ?? [], skip: options.skip ?? [] });
  if (options.list === true) return list(selected, options.output);
  const timeoutMs = parseDuration(options.timeout);
  const startedAt = new Date();
  const begin = performance.now();
  const run = randomBytes(4).toString('hex');
  using asked = interruptions();
  const { signal, hurry } = asked;
  const target = await targetOf(options, run, signal);
  try {
    const watcher = smokeView(options.output, selected);
    const { kubeconfig, kubectl, image, suspects } = target;
    const parts = { run, checks: selected, kubeconfig, kubectl, image, suspects };
    const results = await smoke({ ...parts, timeoutMs, watcher, signal, hurry });
    const ms = performance.now() - begin;
    watcher.end(results, ms, asked.by());
    if (options.junit !== undefined) {
      await writeReport(options.junit, junit(results, { name: target.name, startedAt, ms }));
    }
    const by = asked.by();
    if (by !== undefined) return 128 + constants.signals[by];
    return results.some(({ is }) => is === 'failed') ? exitCodes.smoke : exitCodes.ok;
  } finally {
    await target.leave();
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
