import { mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { execa } from 'execa';
import type { Options, ResultPromise } from 'execa';
import { onTestFinished } from 'vitest';

/** The built program, as users get it. */
export const main = join(import.meta.dirname, '../../dist/bundle/main.cjs');

/** Runs the command and resolves with its result, whatever the exit code. */
export function cli(
  args: readonly string[],
  options: Options = {},
): ResultPromise<Options & { reject: false }> {
  // Nobody answers questions in a test: end stdin at once.
  const stdin = options.input === undefined ? ({ stdin: 'ignore' } as const) : {};
  return execa(process.execPath, [main, ...args], { ...stdin, ...options, reject: false }) as never;
}

/** Creates a folder that is removed at the end of the test. */
export async function tempDir(prefix: string): Promise<string> {
  const dir = await mkdtemp(join('/var/tmp', `k8s-single-${prefix}-`));
  onTestFinished(async () => rm(dir, { recursive: true, force: true }));
  return dir;
}
