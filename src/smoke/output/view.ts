import type { Result } from '../check.ts';
import type { Watcher } from '../run.ts';

/** Shows a run while it goes on. */
export interface View extends Watcher {
  /** Called after the last result. `interrupted` is the signal that interrupted the run, if one did. */
  readonly end: (results: readonly Result[], ms: number, interrupted?: string) => void;
}

/** The number of results with each outcome. */
export function tally(results: readonly Result[]): Record<Result['outcome'], number> {
  const count = (outcome: Result['outcome']): number =>
    results.filter((result) => result.outcome === outcome).length;
  return { passed: count('passed'), failed: count('failed'), skipped: count('skipped') };
}
