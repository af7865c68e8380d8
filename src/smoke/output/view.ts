import type { Result } from '../check.ts';
import type { Watcher } from '../run.ts';

/** One way to show a run as it goes. */
export interface View extends Watcher {
  /** After the last result. `interrupted`: by which signal, when the run did not come to its end. */
  readonly end: (results: readonly Result[], ms: number, interrupted?: string) => void;
}
