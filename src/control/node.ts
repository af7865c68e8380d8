import { existsSync } from 'node:fs';
import type { Emit, Event } from '../engine/component.ts';
import { nodeCommand } from '../lib/commandLine.ts';
import { Failure } from '../lib/errors.ts';
import { unitOf } from '../lib/paths.ts';

/**
 * A running node, as the control API serves it. Actions reject with a `Failure` with the reason; the component they get is
 * always one of `components`.
 */
export interface ControlledNode {
  readonly name: string;
  readonly components: readonly string[];
  /** Sent as JSON. The API does not define its shape. */
  readonly status: () => Promise<object>;
  readonly isReady: () => boolean;
  /** What is not ready and why, one line each, for people. */
  readonly notReady: () => readonly string[];
  /** All events so far. */
  readonly history: () => readonly Event[];
  /** Calls `emit` for each event from now on. Returns the function that unsubscribes. */
  readonly subscribe: (emit: Emit) => () => void;
  /** Ends by itself, or, if it follows, when the signal aborts. */
  readonly logs: (query: LogQuery, signal: AbortSignal) => AsyncIterable<LogLine>;
  /** In the text format of Prometheus. */
  readonly metrics: () => Promise<string>;
  /** The lines of a snapshot: see kubernetes/snapshots/format.ts. Undefined without an etcd of its own. */
  readonly snapshot: ((signal: AbortSignal) => AsyncIterable<string>) | undefined;
  /** With `cascade`, also restarts all dependents. Resolves when the component has stopped and is being started. */
  readonly restart: (component: string, options: { readonly cascade: boolean }) => Promise<void>;
  readonly stop: (component: string) => Promise<void>;
  readonly start: (component: string) => Promise<void>;
  /** Starts to stop the whole node, and returns. The end of the event stream tells when it is down. */
  readonly down: () => void;
  /** The same, and then starts the node again in this process. Undefined where another one starts it. */
  readonly restartNode: (() => void) | undefined;
}

/** The name of the log of a detached node's supervisor, next to those of the components. */
export const supervisorLog = 'supervisor';

export interface LogQuery {
  /** Empty: all. */
  readonly components: readonly string[];
  readonly follow: boolean;
  /** Only this many last lines of each component. */
  readonly tail: number | undefined;
  /** Only lines since then, in ms since the epoch. */
  readonly since: number | undefined;
}

/** One line of a component's log. `at` is in ms since the epoch. `at` and `level` are undefined if not recognised. */
export interface LogLine {
  readonly component: string;
  readonly at: number | undefined;
  readonly level: 'debug' | 'info' | 'warn' | 'error' | 'fatal' | undefined;
  readonly text: string;
}

/** The Failure `preflight` of a start when the node is running already. */
export function alreadyRunning(name: string): Failure {
  return new Failure('preflight', `node ${name} is already running`, { hint: nodeCommand('down', { name }) });
}

/** The Failure `notReady` of a request when the node is not running. */
export function notRunning(name: string, cause: unknown): Failure {
  const unit = unitOf(name);
  const hint = existsSync(unit.file)
    ? `start it: systemctl start ${unit.name}; why it is down: systemctl status ${unit.name}`
    : nodeCommand('up', { name });
  return new Failure('notReady', `node ${name} is not running`, { hint, cause });
}
