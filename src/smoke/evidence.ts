import { at, listAt, textAt } from '../../probes/transport/json.ts';
import { oneLine } from '../../probes/transport/reason.ts';
import { reasonOf } from '../lib/errors.ts';
import type { Context } from './check.ts';

const limits = { events: 8, pods: 3, lines: 10 } as const;

/**
 * Lines that may explain why a check failed: the events of its objects, all warnings of the namespace, and
 * the last log lines of its pods. Never rejects: a line says what cannot be read, and why.
 */
export async function evidence(
  { api, namespacePath }: Pick<Context, 'api' | 'namespacePath'>,
  check: string,
  signal: AbortSignal,
): Promise<string[]> {
  const isOurs = (name: string): boolean => name === check || name.startsWith(`${check}-`);
  const events = async (): Promise<string[]> => {
    const items = listAt(await api.get(`${namespacePath}/events`, signal), 'items');
    const wanted = items.filter(
      (event) => textAt(event, 'type') === 'Warning' || isOurs(textAt(event, 'involvedObject', 'name')),
    );
    return wanted.toSorted(byTime).slice(-limits.events).map(eventLine);
  };
  const logs = async (): Promise<string[]> => {
    const items = listAt(await api.get(`${namespacePath}/pods`, signal), 'items');
    const names = items.map((pod) => textAt(pod, 'metadata', 'name')).filter(isOurs);
    return (await Promise.all(names.slice(0, limits.pods).map(async (name) => log(name)))).flat();
  };
  const log = async (name: string): Promise<string[]> => {
    const text = await api
      .text(`${namespacePath}/pods/${name}/log?tailLines=${limits.lines}`, signal)
      .catch((error: unknown) => `cannot be read: ${reasonOf(error)}`);
    const lines = text.trim() === '' ? [] : text.trim().split('\n');
    return lines.map((line) => `log of ${name}: ${oneLine(line)}`);
  };
  const parts = [orReason('events', events), orReason('logs', logs)];
  return (await Promise.all(parts)).flat();
}

async function orReason(what: string, get: () => Promise<string[]>): Promise<string[]> {
  return get().catch((error: unknown) => [`${what}: cannot be read: ${reasonOf(error)}`]);
}

function eventLine(event: unknown): string {
  const kind = textAt(event, 'involvedObject', 'kind').toLowerCase();
  const name = textAt(event, 'involvedObject', 'name');
  const count = Number(at(event, 'count') ?? 1);
  const times = count > 1 ? ` (${count} times)` : '';
  return `event: ${textAt(event, 'reason')} ${kind}/${name}: ${oneLine(textAt(event, 'message'))}${times}`;
}

function byTime(a: unknown, b: unknown): number {
  return timeOf(a) < timeOf(b) ? -1 : 1;
}

/** Which of the three fields is set depends on the client that wrote the event. */
function timeOf(event: unknown): string {
  const time = textAt(event, 'lastTimestamp') || textAt(event, 'eventTime');
  return time || textAt(event, 'metadata', 'creationTimestamp');
}
