import type { Probe } from '../../probes/probe.ts';
import { timed } from '../../probes/timed.ts';
import { supervisorLog } from '../control/node.ts';
import type { ControlledNode, LogQuery } from '../control/node.ts';
import { servePort } from '../control/port.ts';
import { serve } from '../control/server.ts';
import type { Component } from '../engine/component.ts';
import type { RunningGraph } from '../engine/startGraph.ts';
import { writeNodeFile } from '../instance/nodeFile.ts';
import type { NodeFile } from '../instance/nodeFile.ts';
import { readLogs } from '../observe/logs/logs.ts';
import { createHistory } from '../observe/state/history.ts';
import type { History } from '../observe/state/history.ts';
import { createProbeAttempts } from '../observe/metrics/probeAttempts.ts';
import type { ProbeAttempts } from '../observe/metrics/probeAttempts.ts';
import { LiveState } from '../observe/state/state.ts';
import type { State } from '../observe/state/state.ts';
import { notReadyLines, statusOf } from '../observe/state/status.ts';
import { usageSampler } from '../observe/state/usage.ts';
import type { PageSource } from '../observe/web/pages.ts';
import type { Listener } from './listener.ts';

/** The past and present of a graph, kept from its events for later requests. */
export interface EventStore extends History {
  readonly names: readonly string[];
  readonly state: () => State;
  readonly isReady: () => boolean;
  readonly attempts: ProbeAttempts;
}

export function createEventStore(components: readonly Component[]): EventStore {
  const names = components.map(({ name }) => name);
  const history = createHistory(names);
  const state = new LiveState(names, Date.now());
  return {
    ...history,
    names,
    attempts: createProbeAttempts(),
    add(event) {
      state.add(event);
      history.add(event);
    },
    state: () => state.components,
    isReady: () => state.isReady,
  };
}

/** The same component, with each attempt of its probes recorded in the store. A task has no probe. */
export function withRecordedAttempts(component: Component, { attempts }: EventStore): Component {
  if (component.kind === 'task') return component;
  const { name, ready, live } = component;
  const recorded = (probe: Probe): Probe =>
    timed(probe, (ms, healthy) => attempts.add({ component: name, ms, healthy }));
  return { ...component, ready: recorded(ready), ...(live && { live: recorded(live) }) };
}

interface ControlledGraph {
  readonly graph: RunningGraph;
  readonly logDir: string;
  readonly down: () => void;
  readonly restartNode: ControlledNode['restartNode'];
  /** What is wrong with the machine at the moment. */
  readonly notes: () => readonly string[];
  /** The published ports, for people. */
  readonly ports: readonly string[];
  /** The systemd unit that runs the node. */
  readonly unit?: string | undefined;
  /** Whether the cluster may have other nodes. */
  readonly isMultiNode: boolean;
  readonly snapshot: ControlledNode['snapshot'];
}

/** What the control API does with a graph: reads its store, and acts on the graph itself. */
export function controlledNode(
  name: string,
  store: EventStore,
  {
    graph,
    logDir,
    down,
    restartNode,
    notes: currentNotes,
    ports,
    unit,
    isMultiNode,
    snapshot,
  }: ControlledGraph,
): ControlledNode {
  const sample = usageSampler();
  const getStatus = async () => {
    const pids = [...store.state().values()].flatMap(({ pid }) => pid ?? []);
    const notes = currentNotes();
    const status = statusOf(name, store.state(), await sample(pids), Date.now());
    return {
      ...status,
      ...(unit !== undefined && { unit }),
      ...(isMultiNode && { multiNode: true as const }),
      ...(notes.length > 0 && { notes }),
      ...(ports.length > 0 && { ports }),
    };
  };
  let metrics: Promise<{ text: () => Promise<string> }> | undefined;
  return {
    name,
    components: store.names,
    status: getStatus,
    isReady: store.isReady,
    notReady: () => notReadyLines(store.state(), Date.now()),
    history: store.events,
    subscribe: store.subscribe,
    logs: (query, signal) => readLogs(logDir, query.follow ? allOf(store.names, query) : query, signal),
    snapshot,
    metrics: async () => (await (metrics ??= collectMetrics(store))).text(),
    restart: async (component, options) => graph.restart(component, options),
    stop: async (component) => graph.stop(component),
    start: async (component) => graph.start(component),
    down,
    restartNode,
  };
}

/** Following all logs includes those of components that have not started yet. */
function allOf(names: readonly string[], query: LogQuery): LogQuery {
  return query.components.length > 0 ? query : { ...query, components: [...names, supervisorLog] };
}

/** Counting begins at the first request, with everything in the store: prom-client takes 50 ms to load. */
async function collectMetrics(store: EventStore): Promise<{ text: () => Promise<string> }> {
  const { createMetrics } = await import('../observe/metrics/metrics.ts');
  const metrics = createMetrics(store.names, store.events(), store.attempts.take);
  store.subscribe(metrics.add);
  return metrics;
}

interface ControlApiOptions {
  readonly controlSocket: string;
  readonly listener: Listener | undefined;
  readonly page: PageSource;
  readonly nodeFile: NodeFile;
}

/** The control socket of a node and, when configured, its page. */
interface ServedControlApi {
  /** The URL of the page. */
  readonly url: string | undefined;
  /** Closes the control socket last: a client that reads it to the end knows that nothing is left. */
  close(): Promise<void>;
}

/** Serves a node. The control socket is made last: when it exists, `node.json` does, too. */
export async function serveControlApi(
  node: ControlledNode,
  { controlSocket, listener, page, nodeFile }: ControlApiOptions,
): Promise<ServedControlApi> {
  const served =
    listener && (await servePort(listener, node, (await import('../observe/web/pages.ts')).pagesOf(page)));
  try {
    await writeNodeFile({ ...nodeFile, ...(served && { url: served.url }) });
    const control = await serve(controlSocket, node);
    return {
      url: served?.url,
      async close() {
        await served?.close();
        await control.close();
      },
    };
  } catch (error) {
    await served?.close();
    throw error;
  }
}
