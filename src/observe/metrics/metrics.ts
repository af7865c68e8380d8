import { Counter, Gauge, Histogram, Registry } from 'prom-client';
import type { Event } from '../../engine/component.ts';
import type { ProbeAttempt } from './probeAttempts.ts';
import { LiveState } from '../state/state.ts';

/** The node's metrics for Prometheus. Import this file only on request: loading prom-client takes 50 ms. */
export interface Metrics {
  readonly add: (event: Event) => void;
  /** The metrics in Prometheus' text format 0.0.4. */
  readonly text: () => Promise<string>;
}

/** In seconds: from a probe of a unix socket to one that times out. */
const buckets = [0.001, 0.005, 0.025, 0.1, 0.5, 1, 2, 5];

/** `events`: the events so far. `takeAttempts`: returns the probe attempts since its last call. */
export function createMetrics(
  names: readonly string[],
  events: readonly Event[] = [],
  takeAttempts: () => readonly ProbeAttempt[] = () => [],
): Metrics {
  const registry = new Registry();
  const metrics = createInstruments(registry);
  for (const component of names) {
    for (const each of [metrics.up, metrics.ready]) each.set({ component }, 0);
    for (const each of [metrics.restarts, metrics.exits, metrics.unhealthy]) each.inc({ component }, 0);
  }
  const state = new LiveState(names, 0);
  let begin: number | undefined;
  let booted = false;

  const add = (event: Event): void => {
    const { component } = event;
    begin ??= event.at;
    state.add(event);
    const now = state.components.get(component);
    metrics.up.set({ component }, now?.pid !== undefined || now?.phase === 'ready' ? 1 : 0);
    metrics.ready.set({ component }, now?.phase === 'ready' ? 1 : 0);
    if (event.type === 'starting' && event.attempt > 1) metrics.restarts.inc({ component });
    if (event.type === 'exited') metrics.exits.inc({ component });
    if (event.type === 'unhealthy') metrics.unhealthy.inc({ component });
    if (event.type === 'ready') metrics.timeToReady.set({ component }, event.ms / 1000);
    metrics.nodeReady.set(state.isReady ? 1 : 0);
    if (state.isReady && !booted) metrics.boot.set((event.at - begin) / 1000);
    booted ||= state.isReady;
  };
  for (const event of events) add(event);
  const text = async (): Promise<string> => {
    for (const { component, ms, healthy } of takeAttempts())
      metrics.probes.observe({ component, result: healthy ? 'healthy' : 'unhealthy' }, ms / 1000);
    return registry.metrics();
  };
  return { add, text };
}

/** Names and help texts of all metrics. */
function createInstruments(registry: Registry) {
  const registers = [registry];
  const labelNames = ['component'] as const;
  const gauge = (name: string, help: string): Gauge<'component'> =>
    new Gauge({ name, help, labelNames, registers });
  const counter = (name: string, help: string): Counter<'component'> =>
    new Counter({ name, help, labelNames, registers });
  return {
    up: gauge('k8s_single_component_up', 'Whether the process runs or the task is done (1) or not (0).'),
    ready: gauge('k8s_single_component_ready', 'Whether the component is ready (1) or not (0).'),
    timeToReady: gauge('k8s_single_component_time_to_ready_seconds', 'Time from the last start to ready.'),
    restarts: counter('k8s_single_component_restarts_total', 'Starts after the first one.'),
    exits: counter('k8s_single_component_exits_total', 'Unexpected exits of the process.'),
    unhealthy: counter(
      'k8s_single_component_unhealthy_total',
      'How often the component became unhealthy after it was ready.',
    ),
    probes: new Histogram({
      name: 'k8s_single_component_probe_duration_seconds',
      help: 'Duration of probe attempts, by result.',
      labelNames: ['component', 'result'] as const,
      buckets,
      registers,
    }),
    nodeReady: new Gauge({
      name: 'k8s_single_node_ready',
      help: 'Whether all components are ready (1) or not (0).',
      registers,
    }),
    boot: new Gauge({
      name: 'k8s_single_boot_seconds',
      help: 'Time from the first event until all components were ready.',
      registers,
    }),
  };
}
