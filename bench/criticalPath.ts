import { Unhealthy } from '../probes/probe.ts';
import { until } from '../probes/until.ts';
import { edgeOf } from '../src/engine/component.ts';
import type { Event } from '../src/engine/component.ts';
import { readBootRecord } from '../src/observe/records/bootRecord.ts';
import type { Stage } from '../src/observe/state/state.ts';
import { paths } from './node.ts';
import type { BootTimes } from './observer.ts';

/** How long the same boot would take if only the components took time. Times in ms. */
export interface IdealBoot {
  readonly apiserver: number;
  readonly node: number;
  readonly pod: number;
  /** The critical path to the last component. */
  readonly all: number;
  /** What we add to the critical path, from the start of the process until the last component is ready. */
  readonly overhead: number;
  /** The part of the overhead after the first event; the rest is the start of the program and the sandbox. */
  readonly engine: number;
}

/** The ideal of the boot that k8s-single recorded. `startedAt`: ms since the epoch; the times are those observed from outside. */
export async function idealBoot(startedAt: number, { pod, node, account }: BootTimes): Promise<IdealBoot> {
  const { stages, events } = await recordedBoot();
  const durations = new Map<string, number>();
  let allReadyAt = 0;
  for (const event of events) {
    if (event.type !== 'ready' || durations.has(event.component)) continue;
    durations.set(event.component, event.ms);
    allReadyAt = event.at;
  }
  const times = idealTimes(stages, durations);
  const all = Math.max(...times.values());
  const timeOf = (name: string): number => times.get(name) ?? NaN;
  const firstEventAt = events[0]?.at ?? NaN;
  const podAccepted = Math.max(node, account);
  // A cluster that has the account from the last boot accepts pods before the task `default-account` has run.
  const idealPodAccepted = Math.min(
    Math.max(timeOf('node'), timeOf('default-account')),
    podAccepted - (firstEventAt - startedAt),
  );
  return {
    apiserver: timeOf('apiserver'),
    node: timeOf('node'),
    pod: idealPodAccepted + pod - podAccepted,
    all,
    overhead: allReadyAt - startedAt - all,
    engine: allReadyAt - firstEventAt - all,
  };
}

/**
 * When each stage would be ready if only the stages took time: its own duration after the need that lets it start last.
 * `durations`: from start to ready, in ms, by name; a stage without one takes none.
 */
export function idealTimes(
  stages: readonly Stage[],
  durations: ReadonlyMap<string, number>,
): Map<string, number> {
  const needs = new Map(stages.map((stage) => [stage.name, stage.needs.map(edgeOf)]));
  const readyTimes = new Map<string, number>();
  const started = (name: string): number =>
    Math.max(
      0,
      ...(needs.get(name) ?? []).map(({ on, condition }) =>
        condition === 'started' ? started(on) : ready(on),
      ),
    );
  const ready = (name: string): number => {
    const time = readyTimes.get(name) ?? started(name) + (durations.get(name) ?? 0);
    readyTimes.set(name, time);
    return time;
  };
  for (const { name } of stages) ready(name);
  return readyTimes;
}

/** The record of the last boot. Waits for it: it is written when all is ready, which may be after the first pod is. */
export async function recordedBoot(): Promise<{ stages: readonly Stage[]; events: readonly Event[] }> {
  let record: { stages: readonly Stage[]; events: readonly Event[] } = { stages: [], events: [] };
  const isWritten = async (): Promise<void> => {
    record = await readBootRecord(paths.data);
    if (record.events.length === 0) throw new Unhealthy('the boot has not ended');
  };
  await until(isWritten, { timeoutMs: 60_000 }, new AbortController().signal);
  return record;
}
