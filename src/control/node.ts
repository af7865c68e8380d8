import type { Emit, Event } from '../engine/component.ts';

/**
 * What the control socket needs of a running node. Actions reject with a `Failure` that says why not; a name they are
 * given is always one of `components`.
 */
export interface ControlledNode {
  readonly name: string;
  readonly components: readonly string[];
  /** Goes out as JSON; its shape is the node's own affair. */
  readonly status: () => Promise<object>;
  readonly isReady: () => boolean;
  /** What is not ready and why, a line each; for people. */
  readonly notReady: () => readonly string[];
  readonly history: () => readonly Event[];
  /** Calls `emit` for each event from now on, until the returned function is called. */
  readonly subscribe: (emit: Emit) => () => void;
  /** Ends by itself, or with the signal when it follows. */
  readonly logs: (query: LogQuery, signal: AbortSignal) => AsyncIterable<LogLine>;
  /** In Prometheus' text format. */
  readonly metrics: () => Promise<string>;
  /** Resolves when it is ordered, with `cascade` including all that need it; events tell the rest. */
  readonly restart: (component: string, options: { readonly cascade: boolean }) => Promise<void>;
  readonly stop: (component: string) => Promise<void>;
  readonly start: (component: string) => Promise<void>;
  /** Asks the whole node to go down. Not waited for: the end of the events tells. */
  readonly down: () => void;
}

/** What the supervisor of a detached node has to say is in a log of this name, beside those of the components. */
export const supervisorLog = 'supervisor';

export interface LogQuery {
  /** Empty: all. */
  readonly components: readonly string[];
  readonly follow: boolean;
  /** At most so many of the last lines of each component. */
  readonly tail: number | undefined;
  /** Nothing older, in ms since the epoch. */
  readonly since: number | undefined;
}

/** One line of a component's log. `at` in ms since the epoch, `level` in lower case; both only where recognised. */
export interface LogLine {
  readonly component: string;
  readonly at: number | undefined;
  readonly level: 'debug' | 'info' | 'warn' | 'error' | 'fatal' | undefined;
  readonly text: string;
}
