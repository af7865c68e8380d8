import { spawn } from 'node:child_process';
import { once } from 'node:events';
import type { Component } from '../engine/component.ts';
import { childEnv } from '../lib/childEnv.ts';
import { programFile } from '../lib/paths.ts';
import { didYouMean } from '../lib/text/suggest.ts';
import { Failure } from '../lib/errors.ts';
import type { LogPosition } from '../observe/logs/logFile.ts';
import { endsOf } from '../observe/logs/logs.ts';

/** What the log forwarder receives on stdin, as one line of JSON. */
export interface ForwardOrder {
  readonly folder: string;
  readonly positions: readonly (readonly [component: string, from: LogPosition])[];
  /** JSON Lines on stdout, instead of lines prefixed with the component on stderr. */
  readonly json: boolean;
}

/** The name for all components. */
const everyComponent = 'all';

/** How long the reader may take for the last lines, in ms. */
const lastLinesMs = 5000;

/**
 * The components whose logs are to be forwarded: those named, or every one with `all`.
 * @throws Failure `usage` when there is no such component.
 */
export function componentsToForward(asked: readonly string[], components: readonly Component[]): string[] {
  const names = components.map(({ name }) => name);
  if (asked.includes(everyComponent)) return names;
  const unknown = asked.find((name) => !names.includes(name));
  if (unknown === undefined) return names.filter((name) => asked.includes(name));
  throw new Failure(
    'usage',
    `no log to forward: there is no component "${unknown}"${didYouMean(unknown, names)}`,
    {
      hint: `there are: ${names.join(', ')}; or "${everyComponent}"`,
    },
  );
}

/**
 * Forwards what these components write to their logs in `folder` from now on, each line once. Its disposal resolves when
 * everything written so far is forwarded, or when nobody reads it.
 */
export async function forwardLogs(
  folder: string,
  components: readonly string[],
  json: boolean,
): Promise<AsyncDisposable> {
  const order: ForwardOrder = { folder, positions: [...(await endsOf(folder, components))], json };
  const program = programFile('logForwarder');
  // A session of its own: Ctrl-C in a terminal must not reach it.
  const child = spawn(process.execPath, [program], {
    stdio: ['pipe', 'inherit', 'inherit'],
    detached: true,
    env: childEnv(process.env),
  });
  const exited = once(child, 'exit');
  // When it has ended, nobody reads its output.
  child.stdin.on('error', () => undefined);
  child.stdin.write(`${JSON.stringify(order)}\n`);
  return {
    async [Symbol.asyncDispose]() {
      child.stdin.end();
      const tooLong = AbortSignal.timeout(lastLinesMs);
      tooLong.addEventListener('abort', () => child.kill('SIGKILL'));
      await exited;
    },
  };
}
