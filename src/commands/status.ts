import { client } from '../control/client.ts';
import { exitCodes, Failure } from '../lib/errors.ts';
import { nodePaths } from '../lib/paths.ts';
import type { NodeStatus } from '../observe/state/status.ts';

interface StatusOptions {
  readonly name: string;
  readonly output: 'table' | 'json';
  readonly wait?: boolean;
  readonly watch?: boolean;
  readonly timeout: string;
}

/** `k8s-single status`: exits 0 only when the whole node is ready. */
export async function status({ name, output, wait, watch, timeout }: StatusOptions): Promise<number> {
  const node = client<NodeStatus>(nodePaths(name).controlSocket);
  if (watch === true) await follow(async () => node.status());
  // Only the waiting needs until() and what it brings: a plain look is a whole process in under 150 ms.
  if (wait === true) {
    const { parseDuration } = await import('../config/schema/duration.ts');
    const { waitReady } = await import('../observe/state/wait.ts');
    const options = {
      name,
      timeoutMs: parseDuration(timeout),
      onAttemptFailed: (reason: string) => console.error(reason),
    };
    await waitReady(async (signal) => node.status(signal), options, new AbortController().signal);
  }
  const now = await node.status();
  if (output === 'json') console.log(JSON.stringify(now, undefined, 2));
  else await printTable(now);
  return now.ready ? exitCodes.ok : exitCodes.notReady;
}

async function printTable(now: NodeStatus): Promise<void> {
  const { statusTable } = await import('../observe/state/status.ts');
  const { styleFor } = await import('../observe/terminal/style.ts');
  const columns = process.stdout.isTTY ? process.stdout.columns : Number.POSITIVE_INFINITY;
  for (const line of statusTable(now, columns, styleFor(process.stdout, process.env))) console.log(line);
}

async function follow(look: () => Promise<NodeStatus>): Promise<void> {
  if (!process.stdout.isTTY) {
    throw new Failure('usage', '--watch redraws a terminal, and stdout is none', {
      hint: 'use --wait, or ask again',
    });
  }
  const { watchStatus } = await import('../observe/terminal/watch.ts');
  const { styleFor } = await import('../observe/terminal/style.ts');
  const end = new AbortController();
  process.once('SIGINT', () => end.abort());
  await watchStatus(look, process.stdout, styleFor(process.stdout, process.env), end.signal);
}
