import { pipeline } from 'node:stream/promises';
import { parseDuration } from '../config/duration.ts';
import { client } from '../control/client.ts';
import type { LogLine, LogQuery } from '../control/node.ts';
import { Failure } from '../errors.ts';
import type { Paths } from '../paths.ts';
import { logPrinter } from '../report/log-print.ts';
import { logNames, readLogs } from '../report/logs.ts';
import { styleFor } from '../report/style.ts';
import { ifRunning, placeOf } from './place.ts';
import type { Which } from './place.ts';

interface LogsOptions extends Which {
  readonly follow?: boolean;
  readonly since?: string;
  readonly tail?: string;
}

/** `k8s-single logs`: of a running node through its control socket, of one that is down from its data folder. */
export async function logs(components: readonly string[], options: LogsOptions): Promise<number> {
  const paths = await placeOf(options);
  const { follow = false, since, tail } = options;
  const query = {
    components,
    follow,
    tail: tail === undefined ? undefined : lineCount(tail),
    since: since === undefined ? undefined : Date.now() - parseDuration(since),
  };
  const known = components.length > 0 ? components : await logNames(paths.logs);
  const print = logPrinter(known, styleFor(process.stdout, process.env));
  const enough = new AbortController();
  process.once('SIGINT', () => enough.abort());
  await toStdout(printed(await source(paths, query, options.name, enough.signal), print));
  return 0;
}

async function source(
  { controlSocket, logs: folder }: Paths,
  query: LogQuery,
  name: string,
  signal: AbortSignal,
): Promise<AsyncIterable<LogLine>> {
  const node = client(controlSocket);
  if ((await ifRunning(async () => node.notReady())) !== undefined) return node.logs(query, signal);
  console.error(`node ${name} is not running: this is what it left behind`);
  return readLogs(folder, { ...query, follow: false }, signal);
}

async function* printed(
  lines: AsyncIterable<LogLine>,
  print: (line: LogLine) => string,
): AsyncGenerator<string, void> {
  for await (const line of lines) yield `${print(line)}\n`;
}

/** As fast as the reader takes it. A reader who has seen enough, `head` for one, is no error. */
async function toStdout(texts: AsyncIterable<string>): Promise<void> {
  await pipeline(texts, process.stdout, { end: false }).catch((error: unknown) => {
    if (!(error instanceof Error && 'code' in error && error.code === 'EPIPE')) throw error;
  });
}

function lineCount(text: string): number {
  if (/^\d{1,15}$/.test(text)) return Number(text);
  throw new Failure('usage', `--tail takes a number of lines, not "${text}"`);
}
