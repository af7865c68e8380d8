import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { Unhealthy } from '../probes/probe.ts';
import { until } from '../probes/until.ts';
import { down } from '../src/commands/down.ts';
import { client } from '../src/control/client.ts';
import type { NodeStatus } from '../src/observe/state/status.ts';
import { competitors, ours, start } from './competitors.ts';
import { nodeName, paths } from './node.ts';
import type { Row } from './rows.ts';

/** How long the machine is busy, in ms. */
const lastsMs = 600_000;

/** For each core two loops, which want all of it. */
const spin = 'while :; do :; done';

/** Writes and syncs as much as the disk takes: 64 MiB again and again, and small files that are synced one by one. */
const write = `
while :; do
  dd if=/dev/zero of=large bs=1M count=64 conv=fsync status=none
  for i in 1 2 3 4 5 6 7 8; do dd if=/dev/zero of=small-$i bs=4k count=1 conv=fsync status=none; done
done`;

/** How many components of a node are restarted while all cores are busy and the disk is saturated, once, whatever the rounds. */
export async function measureBusy(_rounds: number, signal: AbortSignal): Promise<Row[]> {
  const self = competitors.find(({ name }) => name === ours)!;
  // On the disk of the node's data.
  const dir = await mkdtemp('/var/tmp/k8s-single-bench-');
  const { stop } = await start(self);
  const load: ChildProcess[] = [];
  try {
    const node = client<NodeStatus>(paths.controlSocket);
    const isReady = async (): Promise<void> => {
      if (!(await node.status().catch(() => undefined))?.ready) throw new Unhealthy('the node is not ready');
    };
    await until(isReady, { timeoutMs: 120_000 }, signal);
    const scripts = [...Array.from({ length: 2 * availableParallelism() }, () => spin), write, write];
    for (const script of scripts) load.push(spawn('sh', ['-c', script], { cwd: dir, detached: true }));
    const startedAt = performance.now();
    const isOver = async (): Promise<void> => {
      const left = lastsMs - (performance.now() - startedAt);
      if (left > 0) throw new Unhealthy(`${Math.round(left / 1000)} s are left`);
    };
    await until(isOver, { timeoutMs: lastsMs + 60_000, periodMs: 1000, maxPeriodMs: 1000 }, signal);
    const { components } = await node.status();
    const events = await node.history();
    const restarts = components.reduce((sum, each) => sum + each.restarts, 0);
    const unhealthy = events.filter(({ type }) => type === 'unhealthy').length;
    return [goalZero('restarts', restarts), goalZero('failed health checks that count', unhealthy)];
  } finally {
    await Promise.all(
      load.map(async (each) => {
        const exited = once(each, 'exit');
        // With its dd.
        process.kill(-each.pid!, 'SIGKILL');
        await exited;
      }),
    );
    await rm(dir, { recursive: true, force: true });
    await stop();
    await down({ name: nodeName, purge: true });
  }
}

function goalZero(what: string, value: number): Row {
  return {
    row: `ten minutes of full load: ${what}`,
    competitor: ours,
    unit: '',
    values: [value],
    goal: 0,
  };
}
