import { parseDuration } from '../config/schema/duration.ts';
import { client } from '../control/client.ts';
import type { Client } from '../control/client.ts';
import { exitCodes, Failure } from '../lib/errors.ts';
import { nodePaths } from '../lib/paths.ts';
import type { NodeStatus } from '../observe/state/status.ts';
import { waitForComponent } from './waitForComponent.ts';
import type { Goal } from './waitForComponent.ts';

interface ActOptions {
  readonly name: string;
  readonly timeout: string;
}

/** `k8s-single restart`: resolves when the component, and whatever went down with it, is ready again. */
export async function restart(
  component: string,
  { cascade = false, ...options }: ActOptions & { cascade?: boolean },
): Promise<number> {
  return sendAndWait(component, options, 'readyAgain', async (node, signal) =>
    node.restart(component, { cascade }, signal),
  );
}

/** `k8s-single start`: resolves when the component is ready, at once when it is. */
export async function start(component: string, options: ActOptions): Promise<number> {
  return sendAndWait(component, options, 'ready', async (node, signal) => node.start(component, signal));
}

/** `k8s-single stop`: resolves when the component's whole process group is gone. */
export async function stop(component: string, options: ActOptions): Promise<number> {
  return sendAndWait(component, options, 'stopped', async (node, signal) => node.stop(component, signal));
}

async function sendAndWait(
  component: string,
  { name, timeout }: ActOptions,
  goal: Goal,
  order: (node: Client<NodeStatus>, signal: AbortSignal) => Promise<void>,
): Promise<number> {
  const node = client<NodeStatus>(nodePaths(name).controlSocket);
  const deadline = AbortSignal.timeout(parseDuration(timeout));
  const before = await node.status(deadline).catch((error: unknown) => {
    throw deadline.aborted
      ? new Failure('notReady', `node ${name} does not answer within ${timeout}`, { cause: error })
      : error;
  });
  const refused = new AbortController();
  const events = node.events(AbortSignal.any([refused.signal, deadline]));
  const [ordered, settled] = await Promise.allSettled([
    // After an order that is refused nothing will ever settle.
    order(node, deadline).catch((error: unknown) => {
      refused.abort();
      throw error;
    }),
    waitForComponent(component, goal, { before, events, deadline, print: (line) => console.error(line) }),
  ]);
  if (ordered.status === 'rejected' && !deadline.aborted) throw ordered.reason;
  if (settled.status === 'rejected') throw settled.reason;
  return exitCodes.ok;
}
