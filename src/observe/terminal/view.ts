import type { Event } from '../../engine/component.ts';
import type { Progress } from './progress.ts';
import type { ComponentState, State } from '../state/state.ts';

/** One way to show what happens. */
export interface View {
  /** `before` is the component's state until then, `now` everybody's since: the same object each time. */
  readonly event: (event: Event, before: ComponentState, now: State) => void;
  /** Everything is ready, for the first time `ms` after the boot began. */
  readonly ready: (ms: number, criticalPath: string) => void;
  readonly progress: (progress: Progress) => void;
  /** Lines for the person who watches, as they are. */
  readonly print: (text: string) => void;
  /** The last frame or line; resolves when everything is written. */
  readonly end: () => Promise<void>;
}
