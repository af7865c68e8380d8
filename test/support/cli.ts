import { mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { execa } from 'execa';
import type { Options, ResultPromise } from 'execa';
import { onTestFinished } from 'vitest';

/** The program as users get it: the build. */
export const main = join(import.meta.dirname, '../../dist/src/main.js');

/** Runs the command line and resolves with its result, whatever the exit code. */
export function cli(
  args: readonly string[],
  options: Options = {},
): ResultPromise<Options & { reject: false }> {
  return execa(process.execPath, [main, ...args], { ...options, reject: false }) as never;
}

/** A folder that is removed with the test. */
export async function tempDir(prefix: string): Promise<string> {
  const dir = await mkdtemp(join('/var/tmp', `k8s-single-${prefix}-`));
  onTestFinished(async () => rm(dir, { recursive: true, force: true }));
  return dir;
}
