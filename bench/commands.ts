import { execFile, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { Unhealthy } from '../probes/probe.ts';
import { until } from '../probes/until.ts';
import { ours } from './competitors.ts';
import { executable } from './node.ts';
import { median, RowCollector } from './rows.ts';
import type { Row } from './rows.ts';

const name = 'bench-latency';
/** The most that a quick command may take, as a multiple of a process of Node.js that does nothing. */
const latencyGoal = 1.5;
/** How often each quick command runs in a round; the value of the round is the median. */
const repetitions = 20;

const node = 'node -e 0';
const healthcheck = [executable, 'healthcheck', '--name', name] as const;

const nothing = [process.execPath, '-e', '0'] as const;

const quickCommands = {
  '--version': [executable, '--version'],
  healthcheck,
  status: [executable, 'status', '--name', name],
} as const;

/** The latency of quick commands as whole processes, in ms, while a graph of one component is up; `node -e 0` for comparison. */
export async function measureLatency(rounds: number): Promise<Row[]> {
  const dir = await mkdtemp(join(tmpdir(), 'k8s-single-bench-'));
  const config = join(dir, 'graph.yaml');
  await writeFile(
    config,
    `name: ${name}\ndataDir: ${join(dir, 'data')}\nkubernetes: false\ncomponents:\n  one: { command: [sleep, inf] }\n`,
  );
  const graph = spawn(executable, ['up', '--config', config], { stdio: 'ignore' });
  const exited = once(graph, 'exit');
  try {
    const ready = async (): Promise<void> => {
      if (duration(healthcheck) === undefined) throw new Unhealthy('the graph is not ready');
    };
    await until(ready, { timeoutMs: 30_000 }, new AbortController().signal);
    const collector = new RowCollector();
    for (let round = 0; round < rounds; round += 1) {
      const durations = Object.entries(quickCommands).map(([what, command]) => ({
        row: { row: `command latency: ${what}`, unit: 'ms' },
        command,
        own: [] as number[],
        bare: [] as number[],
      }));
      // Take turns, so that a busy moment of the machine hits all commands alike.
      for (let i = 0; i < repetitions; i += 1) {
        for (const { command, own, bare } of durations) {
          own.push(duration(command) ?? Infinity);
          bare.push(duration(nothing) ?? Infinity);
        }
      }
      for (const { row, own, bare } of durations) {
        const goal = { times: latencyGoal, of: node };
        collector.add(median(own), { ...row, competitor: ours, goal });
        collector.add(median(bare), { ...row, competitor: node });
      }
    }
    return collector.rows();
  } finally {
    graph.kill('SIGTERM');
    await exited;
    await rm(dir, { recursive: true, force: true });
  }
}

/** From start to exit, in ms; undefined if the command failed. */
function duration([file, ...args]: readonly [string, ...string[]]): number | undefined {
  const startedAt = performance.now();
  const { status } = spawnSync(file, args, { stdio: 'ignore' });
  return status === 0 ? performance.now() - startedAt : undefined;
}

/** The summary that `run` prints: `ready after 7.9 s, the command took 0.2 s (exit code 0), gone after 0.4 s`. */
const runSummary = /ready after ([\d.]+) s, the command took ([\d.]+) s .*gone after ([\d.]+) s/;

/** The duration of `k8s-single run -- kubectl get nodes` from start to exit, and of its phases, in ms. */
export async function measureRun(rounds: number): Promise<Row[]> {
  const phases = ['ready', 'the command', 'gone', 'start to exit'] as const;
  const collector = new RowCollector();
  for (let round = 0; round < rounds; round += 1) {
    const startedAt = Date.now();
    const { stderr } = await promisify(execFile)(executable, ['run', '--', 'kubectl', 'get', 'nodes']);
    const total = Date.now() - startedAt;
    const seconds = runSummary.exec(stderr)?.slice(1);
    if (seconds === undefined) throw new Error(`no times in the output of run:\n${stderr}`);
    const values = [...seconds.map((text) => Math.round(Number(text) * 1000)), total];
    for (const [index, phase] of phases.entries()) {
      const row = `run -- kubectl get nodes: ${phase}`;
      collector.add(values[index]!, { row, competitor: ours, unit: 'ms' });
    }
  }
  return collector.rows();
}
