import { Unhealthy } from '../probes/probe.ts';
import { until } from '../probes/until.ts';
import { readBootRecord } from '../src/observe/records/bootRecord.ts';
import type { Event } from '../src/engine/component.ts';
import type { Stage } from '../src/observe/state/state.ts';
import type { Boot } from './boot.ts';
import { idealTimes } from './criticalPath.ts';
import { paths } from './place.ts';

/** What the same boot would have taken if nothing but the components took time: the critical path. Times in ms. */
export interface Ideal {
  readonly apiserver: number;
  readonly node: number;
  readonly pod: number;
  /** From the start of the process to the last component ready, beyond the critical path: what we added. */
  readonly overhead: number;
  /** What of that comes after the first component: the rest is the program's start and the box. */
  readonly engine: number;
  /** The critical path to the last component. */
  readonly all: number;
}

/** Of the boot that k8s-single has recorded, which was seen like this from outside. `startedAt`: ms since the epoch. */
export async function ideal(startedAt: number, { pod, node, account }: Boot): Promise<Ideal> {
  const { stages, events } = await recordedBoot();
  const own = new Map<string, number>();
  let allReady = 0;
  for (const event of events) {
    if (event.type !== 'ready' || own.has(event.component)) continue;
    own.set(event.component, event.ms);
    allReady = event.at;
  }
  const times = idealTimes(stages, own);
  const all = Math.max(...times.values());
  const timeOf = (name: string): number => times.get(name) ?? NaN;
  const first = events[0]?.at ?? NaN;
  const before = Math.max(node, account);
  // In a cluster that has the account already pods are taken before anybody has looked for it.
  const admitted = Math.min(
    Math.max(timeOf('node'), timeOf('default-account')),
    before - (first - startedAt),
  );
  return {
    apiserver: timeOf('apiserver'),
    node: timeOf('node'),
    pod: admitted + pod - before,
    all,
    overhead: allReady - startedAt - all,
    engine: allReady - first - all,
  };
}

/** It is written when all is ready, which may be after the first pod is. */
export async function recordedBoot(): Promise<{ stages: readonly Stage[]; events: readonly Event[] }> {
  let record: { stages: readonly Stage[]; events: readonly Event[] } = { stages: [], events: [] };
  const written = async (): Promise<void> => {
    record = await readBootRecord(paths.data);
    if (record.events.length === 0) throw new Unhealthy('the boot has not ended');
  };
  await until(written, { timeoutMs: 60_000 }, new AbortController().signal);
  return record;
}
