import type { ServerResponse } from 'node:http';
import { once } from 'node:events';
import type { Event } from '../engine/component.ts';
import type { ControlledNode, LogQuery } from './node.ts';

/** A reader who has so much unread, in bytes, is let go: it must cost the node no memory. */
const mostUnread = 1024 * 1024;

/** All events so far and all to come, as server-sent events (https://html.spec.whatwg.org/multipage/server-sent-events.html). */
export function streamEvents(node: ControlledNode, response: ServerResponse, signal: AbortSignal): void {
  response.writeHead(200, {
    'content-type': 'text/event-stream',
    'cache-control': 'no-store',
    connection: 'close',
  });
  const send = (event: Event): void => {
    response.write(`data: ${JSON.stringify(event)}\n\n`);
    if (response.writableLength > mostUnread) response.destroy();
  };
  response.write(
    node
      .history()
      .map((event) => `data: ${JSON.stringify(event)}\n\n`)
      .join(''),
  );
  const unsubscribe = node.subscribe(send);
  const end = (): void => void response.end();
  signal.addEventListener('abort', end);
  response.once('close', () => {
    unsubscribe();
    signal.removeEventListener('abort', end);
  });
}

/** Log lines as JSON Lines. A slow reader slows only its own reading of the files. */
export async function streamLogs(
  node: ControlledNode,
  query: LogQuery,
  response: ServerResponse,
  signal: AbortSignal,
): Promise<void> {
  const gone = new AbortController();
  response.once('close', () => gone.abort());
  const end = AbortSignal.any([gone.signal, signal]);
  const begin = (): void => {
    if (response.headersSent) return;
    response.writeHead(200, { 'content-type': 'application/jsonl', connection: 'close' });
    response.flushHeaders();
  };
  // Whoever follows wants to know at once that it goes on; of the others the first line may not come, with a reason.
  if (query.follow) begin();
  for await (const line of node.logs(query, end)) {
    begin();
    if (response.destroyed) return;
    if (!response.write(`${JSON.stringify(line)}\n`)) await once(response, 'drain', { signal: gone.signal });
  }
  begin();
  response.end();
}
