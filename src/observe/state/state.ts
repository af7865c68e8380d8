import type { Dependency, Event } from '../../engine/component.ts';

/** A vertex of the graph, as views and records know it. A `Component` is one. */
export interface Stage {
  readonly name: string;
  readonly needs: readonly Dependency[];
}

/**
 * The phase of one component, with the data that only this phase has.
 *
 *     waiting ---> starting ---> ready
 *        ^          |   ^          |
 *        |          v   |          |  unhealthy, exited
 *        +--------- down <---------+
 *
 *     any ---> stopping ---> stopped        any ---> failed (given up)
 *
 * A service whose program is done stays `ready`, without a process.
 *
 * Only a new `waiting` or `starting` leaves `stopped` and `failed`.
 */
type PhaseState =
  | { readonly phase: 'waiting'; readonly on: readonly string[] }
  | { readonly phase: 'starting'; readonly attempt: number }
  | { readonly phase: 'ready'; readonly ms: number }
  /** Lost and to be restarted: at `nextAt` (ms since the epoch) once a back-off is set. */
  | { readonly phase: 'down'; readonly nextAt: number | undefined }
  | { readonly phase: 'stopping' }
  | { readonly phase: 'stopped' }
  /** Given up. `othersKept`: the other components run on. */
  | { readonly phase: 'failed'; readonly othersKept: boolean };

export type Phase = PhaseState['phase'];

/** How a process of the component ended, and its last output. */
interface Exit {
  readonly reason: string;
  readonly lastLines: readonly string[];
}

/** What is known in any phase. Times in ms since the epoch. */
interface Facts {
  readonly name: string;
  /** The node is ready without it. */
  readonly optional: boolean;
  /** When the phase began. */
  readonly since: number;
  /** Starts after the first one. */
  readonly restarts: number;
  /** Of the running process; also its process group. */
  readonly pid: number | undefined;
  /** Why the component is not ready; cleared when it is. */
  readonly reason: string | undefined;
  /** The last failure of a probe, kept for the report. */
  readonly lastProbe: string | undefined;
  readonly exit: Exit | undefined;
  /** From its last start to ready, in ms. */
  readonly readyMs: number | undefined;
}

export type ComponentState = Facts & PhaseState;

/** The state of each component by name, in display order. */
export type State = ReadonlyMap<string, ComponentState>;

/** A state updated event by event, at the same cost for ten components or thousands. */
export class LiveState {
  readonly #components: Map<string, ComponentState>;
  /** The number of components that the node waits for. */
  #blocking: number;

  /** The state before the first event. `at` in ms since the epoch. */
  constructor(names: readonly string[], at: number) {
    this.#components = new Map(names.map((name) => [name, initial(name, at)]));
    this.#blocking = this.#components.size;
  }

  /** The current state: a live view that changes with the next event. */
  get components(): State {
    return this.#components;
  }

  /** Whether all components are ready, except optional ones. */
  get isReady(): boolean {
    return this.#blocking === 0;
  }

  /** Applies an event; appends an unknown component. Returns the component's state before the event. */
  add(event: Event): ComponentState {
    const known = this.#components.get(event.component);
    const before = known ?? initial(event.component, event.at);
    const after = { ...step(before, event), optional: event.optional === true };
    this.#components.set(event.component, after);
    this.#blocking += Number(isBlocking(after)) - Number(known !== undefined && isBlocking(known));
    return before;
  }
}

/** Whether the node is not ready because of this component. */
export function isBlocking({ phase, optional }: ComponentState): boolean {
  return phase !== 'ready' && !optional;
}

/** The state after all these events. */
export function replay(names: readonly string[], events: readonly Event[]): State {
  const live = new LiveState(names, events[0]?.at ?? 0);
  for (const event of events) live.add(event);
  return live.components;
}

function initial(name: string, at: number): ComponentState {
  const unknown = {
    pid: undefined,
    reason: undefined,
    lastProbe: undefined,
    exit: undefined,
    readyMs: undefined,
  };
  return { ...unknown, phase: 'waiting', on: [], name, optional: false, since: at, restarts: 0 };
}

function step(before: ComponentState, event: Event): ComponentState {
  const { at } = event;
  switch (event.type) {
    case 'waiting': {
      const since = before.phase === 'waiting' ? before.since : at;
      return { ...before, phase: 'waiting', on: event.on, pid: undefined, since };
    }
    case 'starting': {
      const { attempt, pid } = event;
      const restarts = attempt - 1;
      return { ...before, phase: 'starting', attempt, restarts, pid, since: at, reason: undefined };
    }
    case 'probing':
      return { ...before, reason: event.reason, lastProbe: event.reason };
    case 'ready':
      return { ...before, phase: 'ready', ms: event.ms, since: at, readyMs: event.ms, reason: undefined };
    case 'done':
      return { ...before, pid: undefined };
    case 'unhealthy':
      return { ...down(before, at), reason: event.reason, lastProbe: event.reason };
    case 'exited': {
      const exit = { reason: event.reason, lastLines: event.lastLines };
      const exited = { ...before, pid: undefined, exit };
      return isEnding(before) ? exited : { ...down(exited, at), reason: event.reason };
    }
    case 'backoff':
      return { ...down(before, at), nextAt: at + event.ms, pid: undefined, reason: event.reason };
    case 'stopping':
      return before.phase === 'failed' ? before : { ...before, phase: 'stopping', since: at };
    case 'stopped':
      if (before.phase === 'failed') return { ...before, pid: undefined };
      return { ...before, phase: 'stopped', since: at, pid: undefined, reason: undefined };
    case 'failed': {
      const othersKept = event.othersKept === true;
      return { ...before, phase: 'failed', othersKept, since: at, pid: undefined, reason: event.reason };
    }
  }
}

function down(before: ComponentState, at: number): ComponentState & { readonly phase: 'down' } {
  if (before.phase === 'down') return before;
  return { ...before, phase: 'down', since: at, nextAt: undefined };
}

function isEnding({ phase }: ComponentState): boolean {
  return phase === 'stopping' || phase === 'stopped' || phase === 'failed';
}

/** The phase of the whole node. */
export type Summary =
  | { readonly phase: 'ready' }
  /** `blocking`: not ready although their dependencies are. All others wait for them. */
  | { readonly phase: 'starting'; readonly blocking: readonly string[] }
  | { readonly phase: 'failed'; readonly failed: readonly string[] }
  | { readonly phase: 'stopping'; readonly remaining: readonly string[] }
  | { readonly phase: 'stopped' };

/** Failed as soon as one component is given up; ready only when all are. Optional ones count for neither. */
export function summarize(state: State): Summary {
  const all = [...state.values()];
  const names = (matches: (component: ComponentState) => boolean): string[] =>
    all.filter(matches).map(({ name }) => name);
  const failed = names(({ phase, optional }) => phase === 'failed' && !optional);
  if (failed.length > 0) return { phase: 'failed', failed };
  if (!all.some(isBlocking)) return { phase: 'ready' };
  const remaining = names(({ phase }) => phase !== 'stopped');
  if (remaining.length === 0) return { phase: 'stopped' };
  if (all.some(({ phase }) => phase === 'stopping')) return { phase: 'stopping', remaining };
  return { phase: 'starting', blocking: names((each) => isBlocking(each) && each.phase !== 'waiting') };
}
