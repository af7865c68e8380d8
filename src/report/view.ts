import type { Event } from '../component.ts';
import type { Progress } from './progress.ts';
import type { State } from './state.ts';

/** One way to show what happens. */
export interface View {
  /** `before` and `after` are the node's state around the event. */
  readonly event: (event: Event, before: State, after: State) => void;
  /** Everything is ready, for the first time `ms` after the boot began. */
  readonly ready: (ms: number, criticalPath: string) => void;
  readonly progress: (progress: Progress) => void;
  /** Lines for the person who watches, as they are. */
  readonly say: (text: string) => void;
  /** The last frame or line; resolves when everything is written. */
  readonly end: () => Promise<void>;
}
