import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { Socket } from 'node:net';
import { unix } from '../../probes/kinds/unix.ts';
import { until } from '../../probes/until.ts';
import { client } from '../control/client.ts';
import type { Event } from '../engine/component.ts';
import { childEnv } from '../lib/childEnv.ts';
import { exitCodes, Failure } from '../lib/errors.ts';
import type { FailureCode } from '../lib/errors.ts';
import { nodePaths, programFile } from '../lib/paths.ts';

/** The options of a node for tests. */
export interface NodeOptions {
  /** Default: a prefix and a random number. With a name, no node is taken from the pool. */
  readonly name?: string;
  /** The path of a YAML config. */
  readonly config?: string;
  /** Folders to search for binaries first. */
  readonly binDirs?: readonly string[];
  /** Ports of the host that lead to the node, such as `8080:80`; `0:80` takes any free port of loopback. */
  readonly ports?: readonly string[];
  /** False: use only binaries that are already there. Default: install what is missing. */
  readonly install?: boolean;
  /** How long the boot may take, in ms, without the installation of binaries. Default: as in the config, or 300 s. */
  readonly timeoutMs?: number;
  /** Where to keep the report and the logs of a node that fails, in a subfolder named after the node. */
  readonly artifacts?: string;
  /** Called for each event during the boot. If it throws, {@link startNode} rejects with its error. */
  readonly onEvent?: (event: Event) => void;
}

/** The command line. It runs as a child: this process cannot enter the namespaces of a node. */
export const main = programFile('main');

/** A running `k8s-single run`. */
interface Child {
  readonly name: string;
  readonly stop: () => Promise<void>;
}

/** Reports that the node is ready, then runs until this process closes the pipe or exits. */
const readyCommand = ['sh', '-c', 'echo "$K8S_SINGLE_NAME"; exec cat'];

/** How much of its stderr is in the error when the child fails, in characters. */
const maxOutput = 20_000;

/**
 * Starts `k8s-single run` with a command that runs as long as this process. Resolves when that command has started. `run` takes a node
 * of the pool if that has what is asked for.
 */
export async function startChild(options: NodeOptions): Promise<Child> {
  const { onEvent } = options;
  // The events of a boot are read by the name of the node, which is not known yet.
  const name = options.name ?? (onEvent === undefined ? undefined : `test-${randomBytes(3).toString('hex')}`);
  // In a session of its own: Ctrl-C in a terminal is meant for the tests, which may still need the node.
  const child = spawn(
    process.execPath,
    [main, 'run', ...runArguments(name, options), '--', ...readyCommand],
    {
      detached: true,
      env: childEnv(process.env),
    },
  );
  let output = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => (output = (output + text).slice(-maxOutput)));
  const ended = new AbortController();
  const closed = once(child, 'close').finally(() => ended.abort());
  const forwarded = forwardEvents(name, onEvent, ended.signal);
  const ready = once(child.stdout.setEncoding('utf8'), 'data').then(([text]) => String(text).trim());
  const stop = async (): Promise<void> => {
    keepAlive(child, true);
    child.stdin.end();
    await closed;
    if (child.exitCode !== 0) throw failureOf(child, output);
  };
  try {
    const found = await Promise.race([
      ready,
      closed.then(() => undefined),
      forwarded.then(async () => ready),
    ]);
    if (found === undefined) throw failureOf(child, output);
    ended.abort();
    await forwarded;
    // A test process that never stops its node can still exit; the node then ends, too.
    keepAlive(child, false);
    return { name: found, stop };
  } catch (error) {
    child.kill('SIGTERM');
    await closed;
    throw error;
  }
}

function runArguments(name: string | undefined, options: NodeOptions): string[] {
  const { config, binDirs = [], ports = [], install = true, timeoutMs, artifacts } = options;
  const timeout = timeoutMs === undefined ? undefined : `${timeoutMs}ms`;
  const values = Object.entries({ name, config, timeout, artifacts });
  return [
    ...values.flatMap(([key, value]) => (value === undefined ? [] : [`--${key}`, value])),
    ...binDirs.flatMap((dir) => ['--bin-dir', dir]),
    ...ports.flatMap((port) => ['--publish', port]),
    ...(install ? [] : ['--no-install']),
  ];
}

/**
 * Calls `onEvent` for each event of a node that is starting, until the signal aborts. Rejects only when `onEvent` throws: if
 * the node fails, its exit code and stderr are the better error.
 */
async function forwardEvents(
  name: string | undefined,
  onEvent: ((event: Event) => void) | undefined,
  signal: AbortSignal,
): Promise<void> {
  if (name === undefined || onEvent === undefined) return;
  const { controlSocket } = nodePaths(name);
  try {
    await until(unix(controlSocket), { timeoutMs: Number.POSITIVE_INFINITY }, signal);
  } catch (error) {
    if (signal.aborted) return;
    throw error;
  }
  for await (const event of untilDisconnected(client(controlSocket).events(signal))) onEvent(event);
}

async function* untilDisconnected(events: AsyncGenerator<Event>): AsyncGenerator<Event> {
  try {
    yield* events;
  } catch {}
}

/** Whether the child and its pipes keep the event loop of this process alive. */
function keepAlive(child: ChildProcess, isOn: boolean): void {
  for (const part of [child, ...child.stdio]) {
    if (part !== child && !(part instanceof Socket)) continue;
    if (isOn) part.ref();
    else part.unref();
  }
}

function failureOf({ exitCode, signalCode }: ChildProcess, output: string): Error {
  const codes = Object.entries(exitCodes);
  const name = codes.find(([, code]) => code === exitCode)?.[0];
  const message = output.trim() || `k8s-single run ended with ${exitCode ?? signalCode}`;
  return isFailureCode(name) ? new Failure(name, message) : new Error(message);
}

function isFailureCode(name: string | undefined): name is FailureCode {
  return name !== undefined && name !== 'ok' && name !== 'bug';
}
