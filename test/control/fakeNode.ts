import { EventEmitter } from 'node:events';
import type { Event } from '../../src/engine/component.ts';
import type { ControlledNode, LogLine, LogQuery } from '../../src/control/node.ts';
import { Failure } from '../../src/lib/errors.ts';

/** A node that does nothing but record the requests. */
export class FakeNode implements ControlledNode {
  readonly name = 'default';
  readonly components = ['etcd', 'kube apiserver'];
  readonly requests: string[] = [];
  readonly events: Event[] = [];
  readonly emitter = new EventEmitter();
  ready = false;
  /** The requests for logs that are being answered. */
  openLogs = 0;
  text = 'a line\nof two';
  queries: LogQuery[] = [];
  onDown = (): void => undefined;

  readonly status = async (): Promise<object> => ({ version: 1, ready: this.ready });
  readonly isReady = (): boolean => this.ready;
  readonly notReady = (): string[] => ['etcd: starting', 'kube apiserver: waiting for etcd'];
  readonly history = (): Event[] => this.events;
  readonly metrics = async (): Promise<string> => 'up 1\n';

  readonly subscribe = (emit: (event: Event) => void): (() => void) => {
    this.emitter.on('event', emit);
    return () => void this.emitter.off('event', emit);
  };

  readonly restart = async (component: string, { cascade }: { cascade: boolean }): Promise<void> => {
    this.requests.push(`restart ${component}${cascade ? ' cascade' : ''}`);
  };

  readonly start = async (component: string): Promise<void> => {
    throw new Failure('preflight', `${component} is running`, { hint: 'stop it first' });
  };

  readonly stop = async (component: string): Promise<void> => {
    throw new Error(`a bug in ${component}`);
  };

  readonly down = (): void => {
    this.requests.push('down');
    this.onDown();
  };

  /** As of a node in a sandbox. */
  readonly restartNode = undefined;

  /** Why a snapshot fails: before its first line, or after it. */
  snapshotFailure: { readonly after: 0 | 1; readonly error: Error } | undefined;

  readonly snapshot = async function* (this: FakeNode): AsyncGenerator<string, void> {
    if (this.snapshotFailure?.after === 0) throw this.snapshotFailure.error;
    yield '{"format":1}\n';
    if (this.snapshotFailure !== undefined) throw this.snapshotFailure.error;
    yield '{"end":{}}\n';
  }.bind(this);

  async *logs(query: LogQuery, signal: AbortSignal): AsyncGenerator<LogLine, void> {
    this.queries.push(query);
    this.openLogs += 1;
    try {
      for (const component of query.components) yield { component, at: 5, level: 'info', text: this.text };
      if (query.follow)
        await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }));
    } finally {
      this.openLogs -= 1;
    }
  }

  emit(event: Event): void {
    this.events.push(event);
    this.emitter.emit('event', event);
  }
}
