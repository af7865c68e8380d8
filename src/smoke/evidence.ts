import { at, listAt, textAt } from '../../probes/transport/json.ts';
import { oneLine } from '../../probes/transport/reason.ts';
import { reasonOf } from '../lib/errors.ts';
import type { Context } from './check.ts';

const most = { events: 8, pods: 3, lines: 10 } as const;

/**
 * What may explain why a check failed: the events of its objects and all warnings of the namespace, and the last lines
 * that its pods wrote. Never rejects: what cannot be had is a line, too.
 */
export async function evidence(
  { api, home }: Pick<Context, 'api' | 'home'>,
  check: string,
  signal: AbortSignal,
): Promise<string[]> {
  const isOurs = (name: string): boolean => name === check || name.startsWith(`${check}-`);
  const events = async (): Promise<string[]> => {
    const items = listAt(await api.get(`${home}/events`, signal), 'items');
    const wanted = items.filter(
      (event) => textAt(event, 'type') === 'Warning' || isOurs(textAt(event, 'involvedObject', 'name')),
    );
    return wanted.toSorted(byTime).slice(-most.events).map(eventLine);
  };
  const logs = async (): Promise<string[]> => {
    const items = listAt(await api.get(`${home}/pods`, signal), 'items');
    const names = items.map((pod) => textAt(pod, 'metadata', 'name')).filter(isOurs);
    return (await Promise.all(names.slice(0, most.pods).map(async (name) => log(name)))).flat();
  };
  const log = async (name: string): Promise<string[]> => {
    const text = await api
      .text(`${home}/pods/${name}/log?tailLines=${most.lines}`, signal)
      .catch((error: unknown) => `cannot be had: ${reasonOf(error)}`);
    const lines = text.trim() === '' ? [] : text.trim().split('\n');
    return lines.map((line) => `log of ${name}: ${oneLine(line)}`);
  };
  const parts = [orWhyNot('events', events), orWhyNot('logs', logs)];
  return (await Promise.all(parts)).flat();
}

async function orWhyNot(what: string, get: () => Promise<string[]>): Promise<string[]> {
  return get().catch((error: unknown) => [`${what}: cannot be had: ${reasonOf(error)}`]);
}

function eventLine(event: unknown): string {
  const { kind, name } = {
    kind: textAt(event, 'involvedObject', 'kind').toLowerCase(),
    name: textAt(event, 'involvedObject', 'name'),
  };
  const count = Number(at(event, 'count') ?? 1);
  const often = count > 1 ? ` (${count} times)` : '';
  return `event: ${textAt(event, 'reason')} ${kind}/${name}: ${oneLine(textAt(event, 'message'))}${often}`;
}

function byTime(a: unknown, b: unknown): number {
  return timeOf(a) < timeOf(b) ? -1 : 1;
}

/** In one of three fields, by the age of who wrote it. */
function timeOf(event: unknown): string {
  const [last, own] = [textAt(event, 'lastTimestamp'), textAt(event, 'eventTime')];
  return last || own || textAt(event, 'metadata', 'creationTimestamp');
}
