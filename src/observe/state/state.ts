import type { Event } from '../../engine/component.ts';

/**
 * What one component is doing now. Each phase carries what only it knows.
 *
 *     waiting ---> starting ---> ready
 *        ^          |   ^          |
 *        |          v   |          |  unhealthy, exited
 *        +--------- down <---------+
 *
 *     any ---> stopping ---> stopped        any ---> failed (given up)
 *
 * `stopped` and `failed` are left only by a new `waiting` or `starting`.
 */
type Phase =
  | { readonly is: 'waiting'; readonly on: readonly string[] }
  | { readonly is: 'starting'; readonly attempt: number }
  | { readonly is: 'ready'; readonly ms: number }
  /** Lost, to be started again: at `nextAt` (ms since the epoch) when a back-off has been set. */
  | { readonly is: 'down'; readonly nextAt: number | undefined }
  | { readonly is: 'stopping' }
  | { readonly is: 'stopped' }
  | { readonly is: 'failed' };

/** How a process of the component ended, and what it wrote last. */
interface Exit {
  readonly reason: string;
  readonly lastLines: readonly string[];
}

/** What is known of a component in any phase. Times in ms since the epoch. */
interface Facts {
  readonly name: string;
  /** When the phase began. */
  readonly since: number;
  /** Starts after the first one. */
  readonly restarts: number;
  /** Of the running process; also the id of its process group. */
  readonly pid: number | undefined;
  /** Why it is not as it should be; cleared when it is ready. */
  readonly reason: string | undefined;
  /** The last reason a probe gave, kept for the report. */
  readonly lastProbe: string | undefined;
  readonly exit: Exit | undefined;
  /** From its last start to ready, in ms. */
  readonly readyMs: number | undefined;
}

export type ComponentState = Facts & Phase;
export type PhaseName = Phase['is'];

/** Every component's state by name, in the order in which they are shown. */
export type State = ReadonlyMap<string, ComponentState>;

/** A state that is kept up to date: an event costs the same whether there are ten components or thousands. */
export class LiveState {
  readonly #components: Map<string, ComponentState>;
  #ready = 0;

  /** Nothing has happened yet. `at` in ms since the epoch. */
  constructor(names: readonly string[], at: number) {
    this.#components = new Map(names.map((name) => [name, fresh(name, at)]));
  }

  /** The components as they are: what is read from it changes with the next event. */
  get components(): State {
    return this.#components;
  }

  /** Every component is. */
  get isReady(): boolean {
    return this.#ready === this.#components.size;
  }

  /** Takes an event in; a component it has not heard of is added at the end. Returns how that one was before. */
  add(event: Event): ComponentState {
    const before = this.#components.get(event.component) ?? fresh(event.component, event.at);
    const after = step(before, event);
    this.#components.set(event.component, after);
    this.#ready += Number(after.is === 'ready') - Number(before.is === 'ready');
    return before;
  }
}

/** The state after all these events. */
export function replay(names: readonly string[], events: readonly Event[]): State {
  const live = new LiveState(names, events[0]?.at ?? 0);
  for (const event of events) live.add(event);
  return live.components;
}

function fresh(name: string, at: number): ComponentState {
  const unknown = {
    pid: undefined,
    reason: undefined,
    lastProbe: undefined,
    exit: undefined,
    readyMs: undefined,
  };
  return { ...unknown, is: 'waiting', on: [], name, since: at, restarts: 0 };
}

function step(before: ComponentState, event: Event): ComponentState {
  switch (event.type) {
    case 'waiting':
      return {
        ...before,
        is: 'waiting',
        on: event.on,
        pid: undefined,
        since: before.is === 'waiting' ? before.since : event.at,
      };
    case 'starting': {
      const { attempt, pid } = event;
      const restarts = attempt - 1;
      return { ...before, is: 'starting', attempt, restarts, pid, since: event.at, reason: undefined };
    }
    case 'probing':
      return { ...before, reason: event.reason, lastProbe: event.reason };
    case 'ready':
      return { ...before, is: 'ready', ms: event.ms, since: event.at, readyMs: event.ms, reason: undefined };
    case 'unhealthy':
      return { ...down(before, event.at), reason: event.reason, lastProbe: event.reason };
    case 'exited': {
      const exit = { reason: event.reason, lastLines: event.lastLines };
      const dead = { ...before, pid: undefined, exit };
      return isEnding(before) ? dead : { ...down(dead, event.at), reason: event.reason };
    }
    case 'backoff':
      return { ...down(before, event.at), nextAt: event.at + event.ms, pid: undefined, reason: event.reason };
    case 'stopping':
      return before.is === 'failed' ? before : { ...before, is: 'stopping', since: event.at };
    case 'stopped':
      if (before.is === 'failed') return { ...before, pid: undefined };
      return { ...before, is: 'stopped', since: event.at, pid: undefined, reason: undefined };
    case 'failed':
      return { ...before, is: 'failed', since: event.at, pid: undefined, reason: event.reason };
  }
}

function down(before: ComponentState, at: number): ComponentState & { readonly is: 'down' } {
  if (before.is === 'down') return before;
  return { ...before, is: 'down', since: at, nextAt: undefined };
}

function isEnding({ is }: ComponentState): boolean {
  return is === 'stopping' || is === 'stopped' || is === 'failed';
}
