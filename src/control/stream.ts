import type { ServerResponse } from 'node:http';
import { once } from 'node:events';
import type { Event } from '../engine/component.ts';
import type { ControlledNode, LogQuery } from './node.ts';

/** A client with more unread data than this, in bytes, is disconnected, so that it takes no more memory of the node. */
const maxUnreadBytes = 1024 * 1024;

/** All clients of event streams together may have this much unread, in bytes: above it the slowest is disconnected. */
const maxUnreadOfAllBytes = 16 * 1024 * 1024;

/** A client that has read nothing for this long, although there was something, is stalled. In ms. */
const stalledAfterMs = 10_000;

/** So many clients may be stalled, as `logs | less` is: above it the one that was first is disconnected. */
const maxStalled = 8;

const eventStreams = new Set<ServerResponse>();
const stalled = new Set<ServerResponse>();

/** Bounds the memory that clients take which do not read: what they have not read, and the open logs of their requests. */
function limitStalled(response: ServerResponse, afterMs = stalledAfterMs): void {
  response.setTimeout(afterMs, () => {
    if (response.writableLength === 0) return;
    stalled.add(response);
    const [first] = stalled;
    if (stalled.size > maxStalled) first?.destroy();
  });
  response.on('drain', () => stalled.delete(response));
  response.once('close', () => stalled.delete(response));
}

function limitUnread(response: ServerResponse): void {
  // Most are read at once.
  if (response.writableLength === 0) return;
  const unread = [...eventStreams].reduce((sum, { writableLength }) => sum + writableLength, 0);
  if (unread <= maxUnreadOfAllBytes) return;
  const slowest = [...eventStreams].toSorted((a, b) => b.writableLength - a.writableLength)[0];
  slowest?.destroy();
}

/** Streams all past and future events as server-sent events (https://html.spec.whatwg.org/multipage/server-sent-events.html). */
export function streamEvents(node: ControlledNode, response: ServerResponse, signal: AbortSignal): void {
  response.writeHead(200, {
    'content-type': 'text/event-stream',
    'cache-control': 'no-store',
    connection: 'close',
  });
  eventStreams.add(response);
  limitStalled(response);
  response.write(node.history().map(serverSentEvent).join(''));
  limitUnread(response);
  const unsubscribe = node.subscribe((event) => {
    response.write(serverSentEvent(event));
    if (response.writableLength > maxUnreadBytes) response.destroy();
    limitUnread(response);
  });
  const end = (): void => void response.end();
  signal.addEventListener('abort', end);
  response.once('close', () => {
    eventStreams.delete(response);
    unsubscribe();
    signal.removeEventListener('abort', end);
  });
}

function serverSentEvent(event: Event): string {
  return `data: ${JSON.stringify(event)}\n\n`;
}

/** Streams log lines as JSON Lines. A slow client only slows down the reading of its own files. */
export async function streamLogs(
  node: ControlledNode,
  query: LogQuery,
  response: ServerResponse,
  signal: AbortSignal,
): Promise<void> {
  const lines = async function* (end: AbortSignal): AsyncGenerator<string, void> {
    for await (const line of node.logs(query, end)) yield `${JSON.stringify(line)}\n`;
  };
  // Without follow, wait for the first line: an error before it still becomes an error response.
  await streamLines(lines, response, signal, query.follow);
}

/**
 * Streams lines as JSON Lines. A slow client only slows down their source.
 * @param isOpen whether the response begins before the first line
 */
export async function streamLines(
  lines: (signal: AbortSignal) => AsyncIterable<string>,
  response: ServerResponse,
  signal: AbortSignal,
  isOpen = false,
): Promise<void> {
  const disconnected = new AbortController();
  response.once('close', () => disconnected.abort());
  limitStalled(response);
  const end = AbortSignal.any([disconnected.signal, signal]);
  const sendHead = (): void => {
    if (response.headersSent) return;
    response.writeHead(200, { 'content-type': 'application/jsonl', connection: 'close' });
    response.flushHeaders();
  };
  if (isOpen) sendHead();
  for await (const line of lines(end)) {
    sendHead();
    if (response.destroyed) return;
    if (!response.write(line)) await once(response, 'drain', { signal: disconnected.signal });
  }
  sendHead();
  response.end();
}
