import type { Emit, Event } from '../../engine/component.ts';

/** Of what happens after the boot so many of the last events are kept. */
const keptAfterBoot = 2000;
/** A boot that takes more events than this, and for each component than that, is not a boot any more. */
const keptOfBoot = 10_000;
const keptOfBootEach = 20;

/** What happened since `up`, for whoever asks later: the whole boot, and the last of what came after. Memory is bounded. */
export interface History {
  readonly add: Emit;
  readonly events: () => readonly Event[];
  /** Calls `emit` for each event from now on, until the returned function is called. */
  readonly subscribe: (emit: Emit) => () => void;
}

export function createHistory(names: readonly string[]): History {
  const left = new Set(names);
  const mostOfBoot = Math.max(keptOfBoot, keptOfBootEach * names.length);
  const boot: Event[] = [];
  let after: Event[] = [];
  const subscribers = new Set<Emit>();
  return {
    add(event) {
      if (left.size > 0 && boot.length < mostOfBoot) boot.push(event);
      else after.push(event);
      if (event.type === 'ready') left.delete(event.component);
      if (after.length >= 2 * keptAfterBoot) after = after.slice(-keptAfterBoot);
      for (const emit of subscribers) emit(event);
    },
    events: () => [...boot, ...after.slice(-keptAfterBoot)],
    subscribe(emit) {
      subscribers.add(emit);
      return () => void subscribers.delete(emit);
    },
  };
}
