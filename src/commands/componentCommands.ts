import { parseDuration } from '../config/schema/duration.ts';
import { client } from '../control/client.ts';
import type { Client } from '../control/client.ts';
import type { Event } from '../engine/component.ts';
import { nodeCommand } from '../lib/commandLine.ts';
import { exitCodes, Failure } from '../lib/errors.ts';
import { nodePaths } from '../lib/paths.ts';
import { formatMs } from '../lib/text/text.ts';
import { LiveState } from '../observe/state/state.ts';
import type { ComponentState } from '../observe/state/state.ts';
import { notReadyLines } from '../observe/state/status.ts';
import type { NodeStatus } from '../observe/state/status.ts';
import { describeEvent } from '../observe/state/describe.ts';

interface ComponentOptions {
  readonly name: string;
  readonly timeout: string;
}

/** `k8s-single restart`: resolves when the component, and everything that stopped with it, is ready again. */
export async function restart(
  component: string,
  { cascade = false, ...options }: ComponentOptions & { cascade?: boolean },
): Promise<number> {
  return sendAndWait(component, options, 'readyAgain', async (node, signal) =>
    node.restart(component, { cascade }, signal),
  );
}

/** `k8s-single start`: resolves when the component is ready. */
export async function start(component: string, options: ComponentOptions): Promise<number> {
  return sendAndWait(component, options, 'ready', async (node, signal) => node.start(component, signal));
}

/** `k8s-single stop`: resolves when the whole process group of the component has exited. */
export async function stop(component: string, options: ComponentOptions): Promise<number> {
  return sendAndWait(component, options, 'stopped', async (node, signal) => node.stop(component, signal));
}

async function sendAndWait(
  component: string,
  { name, timeout }: ComponentOptions,
  goal: Goal,
  request: (node: Client<NodeStatus>, signal: AbortSignal) => Promise<void>,
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
  const [sent, reached] = await Promise.allSettled([
    request(node, deadline).catch((error: unknown) => {
      // Nothing will happen: end the wait.
      refused.abort();
      throw error;
    }),
    waitForComponent(component, goal, { before, events, deadline }),
  ]);
  if (sent.status === 'rejected' && !deadline.aborted) throw sent.reason;
  if (reached.status === 'rejected') throw reached.reason;
  return exitCodes.ok;
}

/** `readyAgain`: ready after it has been restarted, even if it is ready now. */
type Goal = 'ready' | 'readyAgain' | 'stopped';

interface WaitOptions {
  /** The status before the request. */
  readonly before: NodeStatus;
  /** All events so far and all to come. */
  readonly events: AsyncIterable<Event>;
  /** Ends the events when it aborts. */
  readonly deadline: AbortSignal;
}

/**
 * Resolves when the component has reached the goal and every component that changed with it is ready again, or stopped as
 * its edge says. Prints each event since the request.
 * @throws Failure `crashLoop` when one of them fails for good, `notReady` when the node goes down or the time is up.
 */
async function waitForComponent(
  component: string,
  goal: Goal,
  { before, events, deadline }: WaitOptions,
): Promise<void> {
  const requestedAt = Date.parse(before.at);
  const stateBefore = new Map(before.components.map(({ name, state }) => [name, state]));
  const current = stateBefore.get(component);
  if (goal === 'ready' && current === 'ready') return console.error(`${component} is ready`);
  if (goal === 'stopped' && (current === 'stopped' || current === 'failed'))
    return console.error(`${component} is stopped`);
  const changed = new Set<string>();
  const state = new LiveState([...stateBefore.keys()], requestedAt);
  let reached = false;
  for await (const event of events) {
    const previous = state.add(event);
    if (event.at < requestedAt) continue;
    const line = describeEvent(event, previous);
    if (line !== undefined)
      console.error(`${formatMs(event.at - requestedAt).padStart(8)}  ${event.component}  ${line.text}`);
    changed.add(event.component);
    reached ||= event.component === component && event.type === (goal === 'stopped' ? 'stopped' : 'ready');
    const affected = [...state.components.values()].filter(
      ({ name }) => name === component || (changed.has(name) && wasStable(stateBefore.get(name))),
    );
    if (reached && affected.every((each) => isAtGoal(each, component, goal))) return;
    const failed = affected.find(({ name, phase }) => changed.has(name) && phase === 'failed');
    if (failed !== undefined && goal !== 'stopped') throw failureOf(failed, before.name);
  }
  const message = `${component} is not ${goal === 'stopped' ? goal : 'ready'}`;
  if (!deadline.aborted) throw new Failure('notReady', `${message}, and the node went down`);
  const reasons = notReadyLines(state.components, Date.now()).filter((line) =>
    line.startsWith(`${component} `),
  );
  throw new Failure('notReady', [`${message} in time`, ...reasons].join(': '), {
    hint: nodeCommand('logs', before, component),
  });
}

/** A component that was starting or failing before the request is not waited for. */
function wasStable(state: ComponentState['phase'] | undefined): boolean {
  return state === 'ready' || state === 'stopped';
}

function isAtGoal({ name, phase }: ComponentState, component: string, goal: Goal): boolean {
  if (goal === 'stopped') return phase !== 'stopping';
  return phase === 'ready' || (phase === 'stopped' && name !== component);
}

function failureOf({ name, reason }: ComponentState, node: string): Failure {
  return new Failure('crashLoop', `${name} was given up: ${reason ?? 'no reason was given'}`, {
    hint: nodeCommand('logs', { name: node }, name),
  });
}
