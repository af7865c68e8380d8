import { Counter, Gauge, Histogram, Registry } from 'prom-client';
import type { Event } from '../../engine/component.ts';
import type { ProbeAttempt } from './looks.ts';
import { LiveState } from './state.ts';

/** The node in numbers, for Prometheus. Import this file only when somebody asks for them: prom-client takes 50 ms. */
export interface Metrics {
  readonly add: (event: Event) => void;
  /** In Prometheus' text format 0.0.4. */
  readonly text: () => Promise<string>;
}

/** From a look at a unix socket to one that runs into its time limit, in seconds. */
const buckets = [0.001, 0.005, 0.025, 0.1, 0.5, 1, 2, 5];

/** `events`: what has happened so far. `takeLooks`: the looks since it was called last. */
export function createMetrics(
  names: readonly string[],
  events: readonly Event[] = [],
  takeLooks: () => readonly ProbeAttempt[] = () => [],
): Metrics {
  const registers = [new Registry()];
  const labelNames = ['component'] as const;
  const gauge = (name: string, help: string): Gauge<'component'> =>
    new Gauge({ name, help, labelNames, registers });
  const counter = (name: string, help: string): Counter<'component'> =>
    new Counter({ name, help, labelNames, registers });
  const up = gauge(
    'k8s_single_component_up',
    'Whether the process of a component runs, or its work is done (1) or not (0).',
  );
  const ready = gauge('k8s_single_component_ready', 'Whether a component is ready (1) or not (0).');
  const seconds = gauge('k8s_single_component_time_to_ready_seconds', 'From its last start to ready.');
  const restarts = counter('k8s_single_component_restarts_total', 'Starts of a component after its first.');
  const exits = counter('k8s_single_component_exits_total', 'Exits of a component that nobody asked for.');
  const misses = counter(
    'k8s_single_component_unhealthy_total',
    'How often a ready component was found unhealthy.',
  );
  const looks = new Histogram({
    name: 'k8s_single_component_probe_duration_seconds',
    help: 'How long a look at a component took, whether it was healthy or not.',
    labelNames: ['component', 'result'] as const,
    buckets,
    registers,
  });
  const nodeReady = new Gauge({
    name: 'k8s_single_node_ready',
    help: 'Whether everything is ready (1) or not (0).',
    registers,
  });
  const bootSeconds = new Gauge({
    name: 'k8s_single_boot_seconds',
    help: 'From the first event to everything ready.',
    registers,
  });

  const state = new LiveState(names, 0);
  let begin: number | undefined;
  let booted = false;
  for (const component of names) {
    for (const each of [up, ready]) each.set({ component }, 0);
    for (const each of [restarts, exits, misses]) each.inc({ component }, 0);
  }

  const add = (event: Event): void => {
    const { component } = event;
    begin ??= event.at;
    state.add(event);
    const now = state.components.get(component);
    up.set({ component }, now?.pid !== undefined || now?.is === 'ready' ? 1 : 0);
    ready.set({ component }, now?.is === 'ready' ? 1 : 0);
    if (event.type === 'starting' && event.attempt > 1) restarts.inc({ component });
    if (event.type === 'exited') exits.inc({ component });
    if (event.type === 'unhealthy') misses.inc({ component });
    if (event.type === 'ready') seconds.set({ component }, event.ms / 1000);
    nodeReady.set(state.isReady ? 1 : 0);
    if (state.isReady && !booted) bootSeconds.set((event.at - begin) / 1000);
    booted ||= state.isReady;
  };
  for (const event of events) add(event);
  const text = async (): Promise<string> => {
    for (const { component, ms, healthy } of takeLooks())
      looks.observe({ component, result: healthy ? 'healthy' : 'unhealthy' }, ms / 1000);
    return registers[0]!.metrics();
  };
  return { add, text };
}
