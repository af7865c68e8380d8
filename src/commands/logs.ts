import { pipeline } from 'node:stream/promises';
import { parseDuration } from '../config/schema/duration.ts';
import { client } from '../control/client.ts';
import type { LogLine, LogQuery } from '../control/node.ts';
import { Failure } from '../lib/errors.ts';
import type { Paths } from '../lib/paths.ts';
import { logPrinter } from '../observe/logs/logPrint.ts';
import { logNames, readLogs } from '../observe/logs/logs.ts';
import type { NodeStatus } from '../observe/state/status.ts';
import { styleFor } from '../observe/terminal/style.ts';
import { ifRunning, locateNode } from '../instance/locateNode.ts';
import type { NodeSelector } from '../instance/locateNode.ts';
import { hasErrorCode } from '../lib/systemError.ts';

interface LogsOptions extends NodeSelector {
  readonly follow?: boolean;
  readonly since?: string;
  readonly tail?: string;
}

/** `k8s-single logs`: reads the logs through the control socket or, of a stopped node, from its data folder. */
export async function logs(components: readonly string[], options: LogsOptions): Promise<number> {
  const paths = await locateNode(options);
  const { follow = false, since, tail } = options;
  const query = {
    components,
    follow,
    tail: tail === undefined ? undefined : lineCount(tail),
    since: since === undefined ? undefined : Date.now() - parseDuration(since),
  };
  const interrupt = new AbortController();
  process.once('SIGINT', () => interrupt.abort());
  const { names, lines } = await openLogs(paths, query, options.name, interrupt.signal);
  const print = logPrinter(components.length > 0 ? components : names, styleFor(process.stdout, process.env));
  await toStdout(formatted(lines, print));
  return 0;
}

/** The lines, and the names of all components that may have written them. */
async function openLogs(
  { controlSocket, logs: folder }: Paths,
  query: LogQuery,
  name: string,
  signal: AbortSignal,
): Promise<{ names: readonly string[]; lines: AsyncIterable<LogLine> }> {
  const node = client<NodeStatus>(controlSocket);
  const running = await ifRunning(async () => node.status());
  if (running !== undefined) {
    return { names: running.components.map((each) => each.name), lines: node.logs(query, signal) };
  }
  const names = await logNames(folder);
  console.error(`node ${name} is not running: these are its logs so far`);
  return { names, lines: readLogs(folder, { ...query, follow: false }, signal) };
}

async function* formatted(
  lines: AsyncIterable<LogLine>,
  print: (line: LogLine) => string,
): AsyncGenerator<string, void> {
  for await (const line of lines) yield `${print(line)}\n`;
}

/** Writes at the speed of the reader. A closed pipe is not an error: `logs | head`. */
async function toStdout(texts: AsyncIterable<string>): Promise<void> {
  await pipeline(texts, process.stdout, { end: false }).catch((error: unknown) => {
    if (!hasErrorCode(error, 'EPIPE')) throw error;
  });
}

function lineCount(text: string): number {
  if (/^\d{1,15}$/.test(text)) return Number(text);
  throw new Failure('usage', `--tail takes a number of lines, not "${text}"`);
}
