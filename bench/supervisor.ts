import { readFile } from 'node:fs/promises';
import { Unhealthy } from '../probes/probe.ts';
import { until } from '../probes/until.ts';
import { down } from '../src/commands/down.ts';
import { purge } from '../src/instance/purge.ts';
import { loadNodeConfig } from '../src/supervisor/options.ts';
import { processTable } from '../test/support/processes.ts';
import { watchBoot } from './boot.ts';
import { contestants, start } from './contestants.ts';
import type { Contestant } from './contestants.ts';
import { nothingLeft } from './leftovers.ts';
import { nodeName, options, paths } from './place.ts';
import type { Row } from './row.ts';
import { running } from './services.ts';
import { msPerTick } from './tick.ts';

/** A node that is ready settles for so long before it counts as idle, and is then looked at for so long; in ms. */
const settleMs = 30_000;
const idleMs = 60_000;

interface Used {
  readonly cpuMs: number;
  readonly residentMb: number;
}

/**
 * What the supervisor of a node itself costs: its processor time from its start until the first pod is ready, and idle, and its
 * resident memory. All processes between the box and the services count, and none that only prepares.
 */
export async function measure({ rounds }: { rounds: number }): Promise<Row[]> {
  const peers = contestants.filter(({ plays, restarts }) => plays === 'all' && restarts);
  const what = { boot: [], idle: [], memory: [] };
  const values = new Map(peers.map(({ name }) => [name, structuredClone<Record<string, number[]>>(what)]));
  for (let round = 0; round < rounds; round += 1) {
    for (const index of peers.keys()) {
      const peer = peers[(index + round) % peers.length]!;
      const { boot, idle, memory } = await once(peer, round);
      const own = values.get(peer.name)!;
      own['boot']?.push(boot);
      own['idle']?.push(idle);
      own['memory']?.push(memory);
    }
  }
  return [...values].flatMap(([contestant, { boot = [], idle = [], memory = [] }]) => [
    { row: 'supervisor: CPU of a cold start', contestant, unit: 'ms', values: boot },
    { row: 'supervisor: CPU idle, of a core', contestant, unit: '%', values: idle, goal: 0.3 },
    { row: 'supervisor: resident memory idle', contestant, unit: 'MB', values: memory, goal: 60 },
  ]);
}

async function once(
  contestant: Contestant,
  round: number,
): Promise<{ boot: number; idle: number; memory: number }> {
  const never = new AbortController().signal;
  const { node: config } = await loadNodeConfig(options);
  await purge(paths.data);
  const { startedAt, stop } = await start(contestant);
  try {
    await watchBoot({ startedAt, config, pod: `supervisor-${round}` }, never);
    const { cpuMs: boot } = await used();
    await passed(settleMs);
    const before = await used();
    await passed(idleMs);
    const after = await used();
    return { boot, idle: (100 * (after.cpuMs - before.cpuMs)) / idleMs, memory: after.residentMb };
  } finally {
    await stop();
    await nothingLeft();
    await down({ name: nodeName, purge: true });
  }
}

async function passed(ms: number): Promise<void> {
  const end = performance.now() + ms;
  const isOver = async (): Promise<void> => {
    if (performance.now() < end) throw new Unhealthy('it is not over');
  };
  const look = { timeoutMs: 2 * ms, periodMs: 250 };
  await until(isOver, look, new AbortController().signal);
}

/** Of the processes from which the services come, as far as they are in the node's cgroup. */
async function used(): Promise<Used> {
  const table = await processTable();
  const pids = new Set<number>();
  for (const { pid } of await running()) {
    const service = table.get(pid);
    for (let each = table.get(service?.parent ?? 0); each !== undefined; each = table.get(each.parent)) {
      // What prepares the box for a peer is ours, and no part of the peer.
      if (each.cgroups !== service?.cgroups.replace(/\/kubepods.*/, '') || / \S*peer\.js /.test(each.command))
        break;
      pids.add(each.pid);
    }
  }
  let sum: Used = { cpuMs: 0, residentMb: 0 };
  for (const pid of pids) {
    const stat = await readFile(`/proc/${pid}/stat`, 'utf8');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    const status = await readFile(`/proc/${pid}/status`, 'utf8');
    const kib = Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1] ?? 0);
    // utime and stime, the 14th and 15th; the first two are before the cut.
    const cpuMs = (Number(fields[11]) + Number(fields[12])) * msPerTick;
    sum = { cpuMs: sum.cpuMs + cpuMs, residentMb: sum.residentMb + (kib * 1024) / 1e6 };
  }
  return sum;
}
