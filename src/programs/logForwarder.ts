import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { followLogs } from '../observe/logs/logFollow.ts';
import { logPrinter } from '../observe/logs/logPrint.ts';
import { styleFor } from '../observe/terminal/style.ts';
import type { ForwardOrder } from '../supervisor/forwardLogs.ts';

/**
 * Forwards logs: `node logForwarder.cjs`, with a line of JSON on stdin. Runs until stdin ends, also when the supervisor is
 * killed. A process of its own, so that a slow reader blocks nothing else.
 */
async function main(): Promise<void> {
  for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) process.on(signal, () => undefined);
  const enough = new AbortController();
  const stdin = createInterface({ input: process.stdin });
  stdin.once('close', () => enough.abort());
  const [text = '']: string[] = await once(stdin, 'line', { signal: enough.signal });
  const { folder, positions, json }: ForwardOrder = JSON.parse(text);
  const names = positions.map(([name]) => name);
  const print = logPrinter(names, styleFor(process.stderr, process.env), { always: true });
  const stream = json ? process.stdout : process.stderr;
  for await (const line of followLogs(folder, new Map(positions), enough.signal)) {
    const { component, at = Date.now(), level } = line;
    const said = json ? JSON.stringify({ component, at, type: 'log', level, text: line.text }) : print(line);
    if (!stream.write(`${said}\n`)) await once(stream, 'drain');
  }
}

void main();
