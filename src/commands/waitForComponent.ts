import { nodeCommand } from '../lib/commandLine.ts';
import type { Event } from '../engine/component.ts';
import { Failure } from '../lib/errors.ts';
import { LiveState } from '../observe/state/state.ts';
import type { ComponentState } from '../observe/state/state.ts';
import { notReadyLines } from '../observe/state/status.ts';
import type { NodeStatus } from '../observe/state/status.ts';
import { formatMs } from '../lib/text/text.ts';
import { describeEvent } from '../observe/terminal/words.ts';

export interface WaitForComponentOptions {
  /** How it was before the order. */
  readonly before: NodeStatus;
  /** Everything that has happened and happens. */
  readonly events: AsyncIterable<Event>;
  /** Ends the events when it aborts. */
  readonly deadline: AbortSignal;
  /** Told what happens since the order, a line each. */
  readonly print: (line: string) => void;
}

/** `readyAgain`: it is ready now, and shall be after an end. */
export type Goal = 'ready' | 'readyAgain' | 'stopped';

/**
 * Follows an order that is given to a component. Resolves when it is ready (again), or stopped, and whatever moved with it
 * has come to rest: ready as before, or stopped because its edge says so.
 * @throws Failure `crashLoop` when one of them is given up, `notReady` when the node goes down or time is up.
 */
export async function waitForComponent(
  component: string,
  goal: Goal,
  { before, events, deadline, print }: WaitForComponentOptions,
): Promise<void> {
  const ordered = Date.parse(before.at);
  const stateBefore = new Map(before.components.map(({ name, state }) => [name, state]));
  const now = stateBefore.get(component);
  if (goal === 'ready' && now === 'ready') return print(`${component} is ready`);
  if (goal === 'stopped' && (now === 'stopped' || now === 'failed')) return print(`${component} is stopped`);
  const moved = new Set<string>();
  const state = new LiveState([...stateBefore.keys()], ordered);
  let reached = false;
  for await (const event of events) {
    const last = state.add(event);
    if (event.at < ordered) continue;
    const said = describeEvent(event, last);
    if (said !== undefined)
      print(`${formatMs(event.at - ordered).padStart(8)}  ${event.component}  ${said.text}`);
    moved.add(event.component);
    reached ||= event.component === component && event.type === (goal === 'stopped' ? 'stopped' : 'ready');
    const concerned = [...state.components.values()].filter(
      ({ name }) => name === component || (moved.has(name) && wasSettled(stateBefore.get(name))),
    );
    if (reached && concerned.every((each) => isAtGoal(each, component, goal))) return;
    const failed = concerned.find(({ name, is }) => moved.has(name) && is === 'failed');
    if (failed !== undefined && goal !== 'stopped') throw failureOf(failed, before.name);
  }
  const what = `${component} is not ${goal === 'stopped' ? goal : 'ready'}`;
  if (!deadline.aborted) throw new Failure('notReady', `${what}, and the node went down`);
  const reasons = notReadyLines(state.components, Date.now()).filter((line) =>
    line.startsWith(`${component} `),
  );
  throw new Failure('notReady', [`${what} in time`, ...reasons].join(': '), {
    hint: nodeCommand('logs', before, component),
  });
}

/** What was on its way anyway, or in trouble, is not waited for. */
function wasSettled(state: ComponentState['is'] | undefined): boolean {
  return state === 'ready' || state === 'stopped';
}

function isAtGoal({ name, is }: ComponentState, component: string, goal: Goal): boolean {
  if (goal === 'stopped') return is !== 'stopping';
  return is === 'ready' || (is === 'stopped' && name !== component);
}

function failureOf({ name, reason }: ComponentState, node: string): Failure {
  return new Failure('crashLoop', `${name} was given up: ${reason ?? 'no reason was given'}`, {
    hint: nodeCommand('logs', { name: node }, name),
  });
}
