import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { Socket } from 'node:net';
import { exitCodes, Failure } from '../lib/errors.ts';
import type { FailureCode } from '../lib/errors.ts';
import { childEnv } from '../lib/childEnv.ts';
import { nodePaths, programFile } from '../lib/paths.ts';
import { forwardEvents } from './events.ts';
import type { NodeOptions } from './options.ts';

/** The command line: a node lives in namespaces that this process cannot enter. */
export const main = programFile('main');

/** A node in the hands of a child process. */
interface Child {
  readonly name: string;
  readonly stop: () => Promise<void>;
}

/** Says that the node is ready, and holds it until this process closes the pipe or is no more. */
const holder = ['sh', '-c', 'echo ready; exec cat'];

/** So many of the last characters that the child says are quoted when it fails. */
const lastWords = 20_000;

/** Starts `k8s-single run` with a command that lasts as long as this process, and resolves when that command runs. */
export async function startChild(options: NodeOptions): Promise<Child> {
  const name = options.name ?? `test-${randomBytes(3).toString('hex')}`;
  // A session of its own: Ctrl-C in a terminal is for the tests, which may still need the node.
  const child = spawn(process.execPath, [main, 'run', ...runArguments(name, options), '--', ...holder], {
    detached: true,
    env: childEnv(process.env),
  });
  let said = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => (said = (said + text).slice(-lastWords)));
  const ended = new AbortController();
  const closed = once(child, 'close').finally(() => ended.abort());
  const told = forwardEvents(nodePaths(name).controlSocket, options.onEvent, ended.signal);
  const ready = once(child.stdout, 'data').then(() => true);
  try {
    const isReady = await Promise.race([ready, closed.then(() => false), told.then(async () => ready)]);
    if (!isReady) throw failureOf(child, said);
    ended.abort();
    await told;
  } catch (error) {
    child.kill('SIGTERM');
    await closed;
    throw error;
  }
  // A test that forgets its node can end all the same, and then so does the node.
  hold(child, false);
  const stop = async (): Promise<void> => {
    hold(child, true);
    child.stdin.end();
    await closed;
    if (child.exitCode !== 0) throw failureOf(child, said);
  };
  return { name, stop };
}

function runArguments(name: string, options: NodeOptions): string[] {
  const { config, binDirs = [], install = true, timeoutMs, artifacts } = options;
  const timeout = timeoutMs === undefined ? undefined : `${timeoutMs}ms`;
  const values = Object.entries({ name, config, timeout, artifacts });
  return [
    ...values.flatMap(([key, value]) => (value === undefined ? [] : [`--${key}`, value])),
    ...binDirs.flatMap((dir) => ['--bin-dir', dir]),
    ...(install ? [] : ['--no-install']),
  ];
}

/** Whether this process waits for the child. */
function hold(child: ChildProcess, held: boolean): void {
  for (const part of [child, ...child.stdio]) {
    if (part !== child && !(part instanceof Socket)) continue;
    if (held) part.ref();
    else part.unref();
  }
}

function failureOf({ exitCode, signalCode }: ChildProcess, said: string): Error {
  const codes = Object.entries(exitCodes);
  const name = codes.find(([, code]) => code === exitCode)?.[0];
  const message = said.trim() || `k8s-single run ended with ${exitCode ?? signalCode}`;
  return isFailureCode(name) ? new Failure(name, message) : new Error(message);
}

function isFailureCode(name: string | undefined): name is FailureCode {
  return name !== undefined && name !== 'ok' && name !== 'bug';
}
