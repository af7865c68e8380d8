import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { Unhealthy } from '../probes/probe.ts';
import { until } from '../probes/until.ts';
import { debianRoot } from '../test/config/debianRoot.ts';
import { descendants } from '../test/support/processes.ts';
import { makeLogFolder, shapes } from './graphs.ts';
import type { Shape } from './graphs.ts';
import { peerPackages, writePeer } from './peerFiles.ts';
import type { PeerKind } from './peerFiles.ts';
import { RowCollector } from './rows.ts';
import type { Row } from './rows.ts';

interface Usage {
  readonly up: number;
  readonly down: number;
}

type Kind = 'task' | 'process' | 'spawn';

const goalMs = 1;
const theSpawn = 'the spawn itself';
const sizes = [10, 100, 1000, 5000];

/** Starts all services at once, as runit does; it supports no more than 1000 (runsvdir.c, MAXSERVICES). */
const peerSizes: ReadonlySet<number> = new Set([100, 1000]);

/** The peers that supervise what they start. */
const supervisors = ['supervisord', 'runit'] as const satisfies readonly PeerKind[];

const never = new AbortController().signal;
const execute = promisify(execFile);

/**
 * The engine alone: processor time per trivial component of a graph, to start and to stop, in ms. For real processes, that
 * of starting and stopping them with plain node:child_process, measured in the same round, is subtracted.
 */
export async function measureEngine(rounds: number): Promise<Row[]> {
  const collector = new RowCollector();
  for (let round = 0; round < rounds; round += 1) {
    for (const shape of shapes) {
      for (const count of sizes) await measureTasks(collector, shape, count);
      for (const count of sizes) await measureProcesses(collector, shape, count);
    }
  }
  return collector.rows();
}

async function measureTasks(collector: RowCollector, shape: Shape, count: number): Promise<void> {
  const own = await runGraph('task', shape, count);
  for (const what of ['up', 'down'] as const) {
    const row = `engine: ${what}, ${shape} of ${count} tasks, CPU each`;
    collector.add(own[what] / count, { row, competitor: 'k8s-single', unit: 'ms', goal: goalMs });
  }
}

async function measureProcesses(collector: RowCollector, shape: Shape, count: number): Promise<void> {
  const own = await runGraph('process', shape, count);
  const spawned = await runGraph('spawn', shape, count);
  for (const what of ['up', 'down'] as const) {
    const row = `engine: ${what}, ${shape} of ${count} processes, CPU each besides the spawn`;
    const value = (own[what] - spawned[what]) / count;
    // A stop costs next to nothing without us.
    const goal = what === 'up' ? { times: 1.5, of: theSpawn } : goalMs;
    collector.add(value, { row, competitor: 'k8s-single', unit: 'ms', goal });
    collector.add(spawned[what] / count, { row, competitor: theSpawn, unit: 'ms' });
  }
  if (shape !== 'fan-out' || !peerSizes.has(count)) return;
  const row = `engine: up, ${count} processes, CPU each with the spawn`;
  collector.add(own.up / count, { row, competitor: 'k8s-single', unit: 'ms' });
  for (const kind of supervisors)
    collector.add((await cpuOfPeer(kind, count)) / count, { row, competitor: kind, unit: 'ms' });
}

/** Runs engineRun.ts in a process of its own. */
async function runGraph(kind: Kind, shape: Shape, count: number): Promise<Usage> {
  const program = join(import.meta.dirname, 'engineRun.js');
  const { stdout } = await execute(process.execPath, [program, kind, shape, String(count)]);
  const usage: Usage = JSON.parse(stdout);
  return usage;
}

/** The processor time that a peer takes until `count` processes `sleep inf` run under it, including its own start, in ms. */
async function cpuOfPeer(kind: PeerKind, count: number): Promise<number> {
  const { root, path, env } = await debianRoot(peerPackages);
  const dir = await makeLogFolder();
  const programs = Array.from({ length: count }, (_, i) => ({
    name: `c${i}`,
    argv: ['sleep', 'inf'] as const,
  }));
  const command = await writePeer(kind, programs, { dir, logs: dir });
  // The Debian packages are unpacked, not installed.
  const [file = '', ...args] = command.map((word) => (word.startsWith('/usr/') ? join(root, word) : word));
  const child = spawn(file, args, {
    stdio: 'ignore',
    env: {
      ...process.env,
      ...env,
      PATH: `${path}:${process.env['PATH']}`,
      PYTHONPATH: join(root, 'usr/lib/python3/dist-packages'),
    },
  });
  const exited = once(child, 'exit');
  try {
    const allRun = async (): Promise<void> => {
      const running = (await descendants(child.pid ?? 0)).filter(isProgram).length;
      if (running < count) throw new Unhealthy(`${running} of ${count} are running`);
    };
    await until(allRun, { timeoutMs: 120_000 }, never);
    const own = (await descendants(child.pid ?? 0)).filter((each) => !isProgram(each));
    const times = await Promise.all([child.pid ?? 0, ...own.map(({ pid }) => pid)].map(cpuMsOf));
    return times.reduce((sum, each) => sum + each, 0);
  } finally {
    const all = await descendants(child.pid ?? 0);
    child.kill('SIGTERM');
    await exited;
    // The processes of runit exit a moment later than runsvdir.
    const allExited = async (): Promise<void> => {
      const left = all.filter(({ pid }) => existsSync(`/proc/${pid}`)).length;
      if (left > 0) throw new Unhealthy(`${left} are still running`);
    };
    await until(allExited, { timeoutMs: 120_000 }, never);
    await rm(dir, { recursive: true });
  }
}

const isProgram = ({ command }: { command: string }): boolean => command === 'sleep inf';

/**
 * The processor time of the first thread; supervisord and runsv have no other. Not from `stat`, which counts in hundredths of
 * a second: a runsv takes less.
 */
async function cpuMsOf(pid: number): Promise<number> {
  // The first field, in ns (sched-stats.rst).
  const [nanoseconds] = (await readFile(`/proc/${pid}/schedstat`, 'utf8')).split(' ');
  return Number(nanoseconds) / 1e6;
}
