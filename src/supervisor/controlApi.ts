import type { Component } from '../engine/component.ts';
import { supervisorLog } from '../control/node.ts';
import type { ControlledNode, LogQuery } from '../control/node.ts';
import { createHistory } from '../observe/state/history.ts';
import type { History } from '../observe/state/history.ts';
import { createProbeAttempts } from '../observe/state/looks.ts';
import type { ProbeAttempts } from '../observe/state/looks.ts';
import { readLogs } from '../observe/logs/logs.ts';
import { LiveState } from '../observe/state/state.ts';
import type { State } from '../observe/state/state.ts';
import { notReadyLines, statusOf } from '../observe/state/status.ts';
import { usageSampler } from '../observe/state/usage.ts';
import type { RunningGraph } from '../engine/startGraph.ts';

/** A graph's past and present, kept from its events for those who ask later. */
export interface EventStore extends History {
  readonly names: readonly string[];
  readonly state: () => State;
  readonly isReady: () => boolean;
  readonly looks: ProbeAttempts;
}

export function createEventStore(components: readonly Component[]): EventStore {
  const names = components.map(({ name }) => name);
  const history = createHistory(names);
  const state = new LiveState(names, Date.now());
  return {
    ...history,
    names,
    looks: createProbeAttempts(),
    add(event) {
      state.add(event);
      history.add(event);
    },
    state: () => state.components,
    isReady: () => state.isReady,
  };
}

/** What the control socket sees of a graph: its memory to ask, and the graph itself to act on. */
export function controlledNode(
  name: string,
  memory: EventStore,
  { running, logDir, down }: { running: RunningGraph; logDir: string; down: () => void },
): ControlledNode {
  const sample = usageSampler();
  const status = async () => {
    const pids = [...memory.state().values()].flatMap(({ pid }) => pid ?? []);
    return statusOf(name, memory.state(), await sample(pids), Date.now());
  };
  let metrics: Promise<{ text: () => Promise<string> }> | undefined;
  return {
    name,
    components: memory.names,
    status,
    isReady: memory.isReady,
    notReady: () => notReadyLines(memory.state(), Date.now()),
    history: memory.events,
    subscribe: memory.subscribe,
    logs: (query, signal) => readLogs(logDir, query.follow ? allOf(memory.names, query) : query, signal),
    metrics: async () => (await (metrics ??= collect(memory))).text(),
    restart: async (component, options) => running.restart(component, options),
    stop: async (component) => running.stop(component),
    start: async (component) => running.start(component),
    down,
  };
}

/** Whoever follows all follows those, too, that have no log yet. */
function allOf(names: readonly string[], query: LogQuery): LogQuery {
  return query.components.length > 0 ? query : { ...query, components: [...names, supervisorLog] };
}

/** Counting begins when somebody asks for the first time, with all that is remembered: prom-client takes 50 ms to load. */
async function collect(memory: EventStore): Promise<{ text: () => Promise<string> }> {
  const { createMetrics } = await import('../observe/state/metrics.ts');
  const metrics = createMetrics(memory.names, memory.events(), memory.looks.take);
  memory.subscribe(metrics.add);
  return metrics;
}
