import { mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { execa } from 'execa';
import type { Options, ResultPromise } from 'execa';
import { onTestFinished } from 'vitest';
import { programFile } from '../../src/lib/paths.ts';

/** The built program, as users get it. */
export const main = programFile('main');

/**
 * No node under test sends a packet to another machine: vitest.config.ts sets it for all programs, and programs with another
 * environment get it from here. Only a test in a network namespace without a way out may choose another value.
 */
export const closed = { K8S_SINGLE_EGRESS: 'none' } as const;

/** Runs the command and resolves with its result, whatever the exit code. */
export function cli(
  args: readonly string[],
  options: Options = {},
): ResultPromise<Options & { reject: false }> {
  // Nobody answers questions in a test: end stdin at once.
  const stdin = options.input === undefined ? ({ stdin: 'ignore' } as const) : {};
  const env = { ...closed, ...options.env };
  return execa(process.execPath, [main, ...args], { ...stdin, ...options, env, reject: false }) as never;
}

/** Creates a folder that is removed at the end of the test. */
export async function tempDir(prefix: string): Promise<string> {
  const dir = await mkdtemp(join('/var/tmp', `k8s-single-${prefix}-`));
  onTestFinished(async () => rm(dir, { recursive: true, force: true }));
  return dir;
}
