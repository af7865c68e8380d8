import { mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { execa } from 'execa';
import type { Options, ResultPromise } from 'execa';
import { onTestFinished } from 'vitest';

/** The program as users get it: the build. */
export const main = join(import.meta.dirname, '../../dist/bundle/main.cjs');

/** Runs the command line and resolves with its result, whatever the exit code. */
export function cli(
  args: readonly string[],
  options: Options = {},
): ResultPromise<Options & { reject: false }> {
  // Without a terminal nobody answers a question: whoever asks shall see the end of the file.
  const stdin = options.input === undefined ? ({ stdin: 'ignore' } as const) : {};
  return execa(process.execPath, [main, ...args], { ...stdin, ...options, reject: false }) as never;
}

/** A folder that is removed with the test. */
export async function tempDir(prefix: string): Promise<string> {
  const dir = await mkdtemp(join('/var/tmp', `k8s-single-${prefix}-`));
  onTestFinished(async () => rm(dir, { recursive: true, force: true }));
  return dir;
}
