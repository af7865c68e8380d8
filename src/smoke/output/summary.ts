import type { Result } from '../check.ts';

export interface Tally {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
}

export function tally(results: readonly Result[]): Tally {
  const count = (is: Result['is']): number => results.filter((result) => result.is === is).length;
  return { passed: count('passed'), failed: count('failed'), skipped: count('skipped') };
}
