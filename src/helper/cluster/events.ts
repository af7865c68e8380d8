import type { Change } from './watches.ts';

/** The object that an event is about. */
interface Involved {
  /** Default: `v1`. */
  readonly apiVersion?: string;
  readonly kind: string;
  /** Empty for an object of the cluster: its events are in the namespace `default`. */
  readonly namespace: string;
  readonly name: string;
  readonly uid?: string | undefined;
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

/** The change that records an event on an object. */
export function eventOn(
  { apiVersion = 'v1', kind, namespace, name, uid }: Involved,
  { type, reason, message, source }: Said,
): Change & { readonly body: object } {
  const time = new Date().toISOString().replace(/\.\d+Z$/, 'Z');
  const place = namespace || 'default';
  const body = {
    apiVersion: 'v1',
    kind: 'Event',
    metadata: { generateName: `${name.slice(0, 200)}.`, namespace: place },
    involvedObject: { apiVersion, kind, namespace, name, uid },
    type,
    reason,
    message,
    source: { component: source },
    firstTimestamp: time,
    lastTimestamp: time,
    count: 1,
  };
  return { method: 'POST', path: `/api/v1/namespaces/${place}/events`, body };
}
