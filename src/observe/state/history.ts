import type { Emit, Event } from '../../engine/component.ts';

/** The number of events kept after the boot: the last ones. */
const maxAfterBoot = 2000;
/** With more events than the larger of these two, it no longer counts as a boot. */
const maxBoot = 10_000;
const maxBootPerComponent = 20;

/** The events since `up`: those of the boot, and the last of those after it. Memory is bounded. */
export interface History {
  readonly add: Emit;
  readonly events: () => readonly Event[];
  /** Calls `emit` for each new event until the returned function is called. */
  readonly subscribe: (emit: Emit) => () => void;
}

export function createHistory(names: readonly string[]): History {
  const notReady = new Set(names);
  const bootLimit = Math.max(maxBoot, maxBootPerComponent * names.length);
  const boot: Event[] = [];
  let afterBoot: Event[] = [];
  const subscribers = new Set<Emit>();
  return {
    add(event) {
      if (notReady.size > 0 && boot.length < bootLimit) boot.push(event);
      else afterBoot.push(event);
      if (event.type === 'ready') notReady.delete(event.component);
      if (afterBoot.length >= 2 * maxAfterBoot) afterBoot = afterBoot.slice(-maxAfterBoot);
      for (const emit of subscribers) emit(event);
    },
    events: () => [...boot, ...afterBoot.slice(-maxAfterBoot)],
    subscribe(emit) {
      subscribers.add(emit);
      return () => void subscribers.delete(emit);
    },
  };
}
