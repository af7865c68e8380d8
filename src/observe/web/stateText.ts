import { why } from '../terminal/frame.ts';
import type { ComponentState } from '../state/state.ts';
import { formatMs } from '../../lib/text/text.ts';

/** What a component is doing, in words that stay true until its next event. */
export interface StateText {
  /** `ready in 0.4 s`, `starting` */
  readonly text: string;
  /** Why it is not ready, or what is worth knowing of it; may be empty. */
  readonly why: string;
}

export function stateText(component: ComponentState): StateText {
  const text = component.is === 'ready' ? `ready in ${formatMs(component.ms)}` : component.is;
  // Seen from its last event: a page that counts seconds would have to be drawn anew every second.
  return { text, why: why(component, component.since) };
}
