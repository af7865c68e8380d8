import { readFile } from 'node:fs/promises';
import { Unhealthy } from '../probes/probe.ts';
import { until } from '../probes/until.ts';
import { down } from '../src/commands/down.ts';
import { purge } from '../src/instance/purge.ts';
import { loadNodeConfig } from '../src/supervisor/options.ts';
import { processTable } from '../test/support/processes.ts';
import { competitors, start } from './competitors.ts';
import type { Competitor } from './competitors.ts';
import { assertNothingLeft, msPerTick, nodeName, options, paths, serviceProcesses } from './node.ts';
import { observeBoot } from './observer.ts';
import { RowCollector } from './rows.ts';
import type { Row } from './rows.ts';

/** How long a ready node is left alone before it counts as idle, and how long it is then measured; in ms. */
const settleMs = 30_000;
const idleMs = 60_000;

interface Usage {
  readonly cpuMs: number;
  readonly residentMb: number;
}

/**
 * The cost of the supervisor itself: processor time from its start until the first pod is Ready, processor time and resident
 * memory when idle. Counts all processes between the sandbox and the services, but none that only sets up the node.
 */
export async function measureSupervisor(rounds: number): Promise<Row[]> {
  const supervisors = competitors.filter(({ takesPartIn, restarts }) => takesPartIn === 'all' && restarts);
  const collector = new RowCollector();
  for (let round = 0; round < rounds; round += 1) {
    for (const index of supervisors.keys()) {
      const competitor = supervisors[(index + round) % supervisors.length]!;
      const { boot, idle, memory } = await measureOnce(competitor, round);
      const { name } = competitor;
      collector.add(boot, { row: 'supervisor: CPU of a cold start', competitor: name, unit: 'ms' });
      collector.add(idle, { row: 'supervisor: CPU idle, of a core', competitor: name, unit: '%', goal: 0.3 });
      collector.add(memory, {
        row: 'supervisor: resident memory idle',
        competitor: name,
        unit: 'MB',
        goal: 60,
      });
    }
  }
  return collector.rows();
}

async function measureOnce(
  competitor: Competitor,
  round: number,
): Promise<{ boot: number; idle: number; memory: number }> {
  const never = new AbortController().signal;
  const { node: config } = await loadNodeConfig(options);
  await purge(paths.data);
  const { startedAt, stop } = await start(competitor);
  try {
    await observeBoot({ startedAt, config, pod: `supervisor-${round}` }, never);
    const { cpuMs: boot } = await usage();
    await wait(settleMs);
    const before = await usage();
    await wait(idleMs);
    const after = await usage();
    return { boot, idle: (100 * (after.cpuMs - before.cpuMs)) / idleMs, memory: after.residentMb };
  } finally {
    await stop();
    await assertNothingLeft();
    await down({ name: nodeName, purge: true });
  }
}

async function wait(ms: number): Promise<void> {
  const end = performance.now() + ms;
  const isOver = async (): Promise<void> => {
    if (performance.now() < end) throw new Unhealthy('not over yet');
  };
  await until(isOver, { timeoutMs: 2 * ms, periodMs: 250 }, new AbortController().signal);
}

/** The usage of all ancestors of the services that are in the node's cgroup. */
async function usage(): Promise<Usage> {
  const table = await processTable();
  const pids = new Set<number>();
  for (const { pid } of await serviceProcesses()) {
    const service = table.get(pid);
    for (let each = table.get(service?.parent ?? 0); each !== undefined; each = table.get(each.parent)) {
      // peer.js sets up the sandbox for a peer: it is ours, not a part of the peer.
      if (each.cgroups !== service?.cgroups.replace(/\/kubepods.*/, '') || / \S*peer\.js /.test(each.command))
        break;
      pids.add(each.pid);
    }
  }
  let sum: Usage = { cpuMs: 0, residentMb: 0 };
  for (const pid of pids) {
    const stat = await readFile(`/proc/${pid}/stat`, 'utf8');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    const status = await readFile(`/proc/${pid}/status`, 'utf8');
    const kib = Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1] ?? 0);
    // utime and stime, fields 14 and 15; `fields` begins with the third.
    const cpuMs = (Number(fields[11]) + Number(fields[12])) * msPerTick;
    sum = { cpuMs: sum.cpuMs + cpuMs, residentMb: sum.residentMb + (kib * 1024) / 1e6 };
  }
  return sum;
}
