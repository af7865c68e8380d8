import type { ServerResponse } from 'node:http';
import { once } from 'node:events';
import type { Event } from '../engine/component.ts';
import type { ControlledNode, LogQuery } from './node.ts';

/** A client with more unread data than this, in bytes, is disconnected, so that it takes no more memory of the node. */
const maxUnreadBytes = 1024 * 1024;

/** Streams all past and future events as server-sent events (https://html.spec.whatwg.org/multipage/server-sent-events.html). */
export function streamEvents(node: ControlledNode, response: ServerResponse, signal: AbortSignal): void {
  response.writeHead(200, {
    'content-type': 'text/event-stream',
    'cache-control': 'no-store',
    connection: 'close',
  });
  response.write(node.history().map(serverSentEvent).join(''));
  const unsubscribe = node.subscribe((event) => {
    response.write(serverSentEvent(event));
    if (response.writableLength > maxUnreadBytes) response.destroy();
  });
  const end = (): void => void response.end();
  signal.addEventListener('abort', end);
  response.once('close', () => {
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
  const disconnected = new AbortController();
  response.once('close', () => disconnected.abort());
  const end = AbortSignal.any([disconnected.signal, signal]);
  const sendHead = (): void => {
    if (response.headersSent) return;
    response.writeHead(200, { 'content-type': 'application/jsonl', connection: 'close' });
    response.flushHeaders();
  };
  // Without follow, wait for the first line: an error before it still becomes an error response.
  if (query.follow) sendHead();
  for await (const line of node.logs(query, end)) {
    sendHead();
    if (response.destroyed) return;
    if (!response.write(`${JSON.stringify(line)}\n`))
      await once(response, 'drain', { signal: disconnected.signal });
  }
  sendHead();
  response.end();
}
