import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Unhealthy } from '../probes/probe.ts';
import { until } from '../probes/until.ts';
import { program } from './place.ts';
import type { Row } from './row.ts';
import { median } from './statistics.ts';

const name = 'bench-latency';
const goalMs = 150;
/** So often each command is run in a round; the round's value is their median. */
const times = 20;

const commands: Readonly<Record<string, readonly [string, ...string[]]>> = {
  'node -e 0': [process.execPath, '-e', '0'],
  '--version': [program, '--version'],
  healthcheck: [program, 'healthcheck', '--name', name],
  status: [program, 'status', '--name', name],
};

/** How long quick commands take as whole processes, in ms, with a graph of one component up: and Node.js that does nothing. */
export async function measure({ rounds }: { rounds: number }): Promise<Row[]> {
  const dir = await mkdtemp(join(tmpdir(), 'k8s-single-bench-'));
  const config = join(dir, 'graph.yaml');
  await writeFile(
    config,
    `name: ${name}\ndataDir: ${join(dir, 'data')}\nkubernetes: false\ncomponents:\n  one: { command: [sleep, inf] }\n`,
  );
  const graph = spawn(program, ['up', '--config', config], { stdio: 'ignore' });
  const ended = once(graph, 'exit');
  try {
    const ready = async (): Promise<void> => {
      if (took(commands['healthcheck']!) === undefined) throw new Unhealthy('the graph is not ready');
    };
    await until(ready, { timeoutMs: 30_000 }, new AbortController().signal);
    const values = new Map(Object.keys(commands).map((what): [string, number[]] => [what, []]));
    for (let round = 0; round < rounds; round += 1) {
      const all = new Map(Object.keys(commands).map((what): [string, number[]] => [what, []]));
      for (let i = 0; i < times; i += 1)
        for (const [what, args] of Object.entries(commands)) all.get(what)?.push(took(args) ?? Infinity);
      for (const [what, each] of all) values.get(what)?.push(median(each));
    }
    const rows: Row[] = [];
    for (const [what, each] of values) {
      const row = { row: `command latency: ${what}`, contestant: 'k8s-single', unit: 'ms', values: each };
      rows.push(what.startsWith('node ') ? row : { ...row, goal: goalMs });
    }
    return rows;
  } finally {
    graph.kill('SIGTERM');
    await ended;
    await rm(dir, { recursive: true, force: true });
  }
}

/** From start to exit, in ms; undefined when it failed. */
function took([file, ...args]: readonly [string, ...string[]]): number | undefined {
  const began = performance.now();
  const { status } = spawnSync(file, args, { stdio: 'ignore' });
  return status === 0 ? performance.now() - began : undefined;
}
