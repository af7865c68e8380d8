import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { promisify } from 'node:util';
import { Unhealthy } from '../probes/probe.ts';
import { processorMs } from '../probes/proc.ts';
import { until } from '../probes/until.ts';
import { nodeProcesses } from '../src/host/cgroup/nodeCgroup.ts';
import type { PoolStatus } from '../src/pool/protocol.ts';
import { ours } from './competitors.ts';
import { executable } from './node.ts';
import type { Row } from './rows.ts';

const size = 2;
/** How often a node is taken in a round. */
const runsInRound = 10;
/** A node is taken at any time of the 15 s for which it is frozen: each run waits for so much longer than the one before, in ms. */
const [stepMs, cycleMs] = [3700, 15_000];

const withoutPool = 'without a pool';
const execute = promisify(execFile);

/** `run -- true` from start to exit with a node of a pool of two that is full, and what a frozen node takes. */
export async function measurePool(rounds: number, signal: AbortSignal): Promise<Row[]> {
  const pooled: number[] = [];
  const cold: number[] = [];
  const memory: number[] = [];
  const idle: number[] = [];
  await execute(executable, ['pool', 'start', '--size', String(size)]);
  try {
    for (let run = 0; run < rounds * runsInRound; run += 1) {
      const names = await fullPool((run * stepMs) % cycleMs, signal);
      if (run % runsInRound === 0) {
        memory.push(...(await Promise.all(names.map(memoryOf))));
        idle.push(await idlePercent(names, signal));
        cold.push(await timeOfRun('--no-pool'));
      }
      pooled.push(await timeOfRun());
    }
  } finally {
    await execute(executable, ['pool', 'stop']);
  }
  const slowest = pooled.toSorted((a, b) => a - b)[Math.ceil(pooled.length * 0.99) - 1]!;
  const row = { row: 'pool: run -- true, start to exit', unit: 'ms' };
  const slow = { row: `pool: the same, of ${pooled.length} runs at most (p99)`, unit: 'ms' };
  return [
    { ...row, competitor: ours, values: pooled, goal: { times: 0.1, of: withoutPool } },
    { ...row, competitor: withoutPool, values: cold },
    // Half a second where a node without a pool takes seven.
    { ...slow, competitor: ours, values: [slowest], goal: { times: 0.07, of: withoutPool } },
    { ...slow, competitor: withoutPool, values: cold },
    ownRow('memory of a frozen node', 'MB', memory),
    ownRow('a node that nobody asks for, of a core', '%', idle),
  ];
}

function ownRow(what: string, unit: string, values: readonly number[]): Row {
  return { row: `pool: ${what}`, competitor: ours, unit, values };
}

/** Waits until the pool is full, and then for so long, in ms. Resolves with the names of its nodes. */
async function fullPool(forMs: number, signal: AbortSignal): Promise<readonly string[]> {
  let fullAt: number | undefined;
  let names: readonly string[] = [];
  const isFull = async (): Promise<void> => {
    const { stdout } = await execute(executable, ['pool', 'status', '--output', 'json']);
    const status: PoolStatus = JSON.parse(stdout);
    names = status.ready;
    if (names.length < size) throw new Unhealthy(`${names.length} of ${size} nodes are ready`);
    fullAt ??= performance.now();
    if (performance.now() - fullAt < forMs) throw new Unhealthy('the pool is to wait for longer');
  };
  await until(isFull, { timeoutMs: 120_000, periodMs: 1000, maxPeriodMs: 1000 }, signal);
  return names;
}

async function timeOfRun(...flags: readonly string[]): Promise<number> {
  const startedAt = performance.now();
  const { stderr } = await execute(executable, ['run', ...flags, '--', 'true']);
  const took = performance.now() - startedAt;
  if (stderr.includes('of the pool') === flags.includes('--no-pool'))
    throw new Error(`not the node that was asked for:\n${stderr}`);
  return took;
}

/** What each of the nodes takes of a core while nobody asks for them, in %, over three of the times for which one is frozen. */
async function idlePercent(names: readonly string[], signal: AbortSignal): Promise<number> {
  const pids = (await Promise.all(names.map(nodeProcesses))).flat();
  const [before, startedAt] = [await processorMs(pids), performance.now()];
  const isOver = async (): Promise<void> => {
    if (performance.now() - startedAt < 3 * cycleMs) throw new Unhealthy('not for long enough');
  };
  await until(isOver, { timeoutMs: 4 * cycleMs, periodMs: 1000, maxPeriodMs: 1000 }, signal);
  const used = (await processorMs(pids)) - before;
  return (100 * used) / (performance.now() - startedAt) / names.length;
}

/** What its processes take, and their parts of what they share (Pss), in MB. */
async function memoryOf(name: string): Promise<number> {
  const texts = await Promise.all(
    (await nodeProcesses(name)).map(async (pid) =>
      readFile(`/proc/${pid}/smaps_rollup`, 'utf8').catch(() => ''),
    ),
  );
  const kib = texts.map((text) => Number(/^Pss: +(\d+) kB$/m.exec(text)?.[1] ?? 0));
  return (kib.reduce((sum, each) => sum + each, 0) * 1024) / 1e6;
}
