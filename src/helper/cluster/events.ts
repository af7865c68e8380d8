import type { Change } from './watches.ts';

/** The object that an event is about. */
interface Involved {
  readonly kind: string;
  readonly namespace: string;
  readonly name: string;
  readonly uid: string;
}

/** What an event says. */
interface Said {
  readonly type: 'Normal' | 'Warning';
  /** A word in CamelCase, for programs. */
  readonly reason: string;
  readonly message: string;
  /** Who says it. */
  readonly source: string;
}

/** The change that records an event on an object of the core API. */
export function eventOn(
  { kind, namespace, name, uid }: Involved,
  { type, reason, message, source }: Said,
): Change {
  const time = new Date().toISOString().replace(/\.\d+Z$/, 'Z');
  const body = {
    apiVersion: 'v1',
    kind: 'Event',
    metadata: { generateName: `${name.slice(0, 200)}.`, namespace },
    involvedObject: { apiVersion: 'v1', kind, namespace, name, uid },
    type,
    reason,
    message,
    source: { component: source },
    firstTimestamp: time,
    lastTimestamp: time,
    count: 1,
  };
  return { method: 'POST', path: `/api/v1/namespaces/${namespace}/events`, body };
}
