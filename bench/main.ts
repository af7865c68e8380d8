/** `npm run bench`: see `--help`, and NOTES.md for the meaning of the numbers. */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Command, InvalidArgumentError, Option } from 'commander';
import { down } from '../src/commands/down.ts';
import { loadNodeConfig } from '../src/supervisor/options.ts';
import { measureBusy } from './busy.ts';
import { measureCluster } from './cluster.ts';
import { measureLatency, measureRun } from './commands.ts';
import { competitors, ours, supervisord } from './competitors.ts';
import { measureDownload } from './download.ts';
import { measureEngine } from './engine.ts';
import { assertNothingLeft, nodeName, options } from './node.ts';
import { nodeRows } from './nodeRows.ts';
import { measurePool } from './pool.ts';
import { commitOfSources, cpuTimes, results } from './results.ts';
import type { Row } from './rows.ts';
import { parts, runLoad, runSession } from './session.ts';
import type { Sample } from './session.ts';
import { measureSupervisor } from './supervisor.ts';

// No node that is measured sends a packet to another machine.
process.env['K8S_SINGLE_EGRESS'] = 'none';

/** The parts that are measured one after the other, not session by session. */
const otherParts: Readonly<Record<string, (rounds: number, signal: AbortSignal) => Promise<Row[]>>> = {
  supervisor: measureSupervisor,
  engine: measureEngine,
  latency: measureLatency,
  run: measureRun,
  pool: measurePool,
  cluster: measureCluster,
  download: measureDownload,
  busy: measureBusy,
};

interface BenchOptions {
  readonly rounds: number;
  readonly only: readonly string[];
  readonly out: string;
}

const positive = (text: string): number => {
  if (!/^[1-9]\d*$/.test(text)) throw new InvalidArgumentError('expected a positive number.');
  return Number(text);
};

const allParts = [...parts, ...Object.keys(otherParts)];
const { rounds, only, out } = new Command('npm run bench --')
  .description(
    'compare k8s-single with what it replaces, on this machine; needs root and the binaries of "install"',
  )
  .option('--rounds <n>', 'how often to measure each competitor', positive, 5)
  .addOption(new Option('--only <part...>', 'measure only these').choices(allParts).default(allParts, 'all'))
  .option(
    '--out <dir>',
    'write the results there, beside those of other parts of the same commit',
    join(import.meta.dirname, '../../bench'),
  )
  .parse()
  .opts<BenchOptions>();

const interrupt = new AbortController();
for (const name of ['SIGINT', 'SIGTERM'] as const)
  process.once(name, () => interrupt.abort(new Error(`interrupted by ${name}`)));

const wanted = new Set(only);
const samples: Sample[] = [];
const rows: Row[] = [];
const cpuBefore = cpuTimes();
const commit = commitOfSources();
try {
  if (parts.some((part) => wanted.has(part))) await compareNodes();
  for (const [name, measure] of Object.entries(otherParts)) {
    if (!wanted.has(name)) continue;
    interrupt.signal.throwIfAborted();
    const startedAt = Date.now();
    rows.push(...(await measure(rounds, interrupt.signal)));
    reportProgress(name, startedAt);
  }
} finally {
  // Measuring takes long: keep what there is, also after an error.
  if (rows.length > 0) await write();
}

/** Measures every competitor in every round, and appends their rows. */
async function compareNodes(): Promise<void> {
  const { node: config } = await loadNodeConfig(options);
  // Do not take down a node of this name that is not ours.
  await assertNothingLeft();
  try {
    for (let round = 0; round < rounds; round += 1) {
      // Rotate the order: the first competitor finds the machine in another state than the last.
      for (const index of competitors.keys()) {
        const competitor = competitors[(index + round) % competitors.length]!;
        const startedAt = Date.now();
        const { takesPartIn, restarts } = competitor;
        if (takesPartIn !== 'load' && parts.some((part) => part !== 'load' && wanted.has(part)))
          samples.push(await runSession(competitor, { round, wanted, config }, interrupt.signal));
        // The script leaves out what has failed.
        if (takesPartIn !== 'cold' && restarts && wanted.has('load'))
          samples.push(await runLoad(competitor, { round, config }, interrupt.signal));
        await assertNothingLeft();
        reportProgress(`round ${round + 1} of ${rounds}, ${competitor.name}`, startedAt);
      }
    }
  } finally {
    await down({ name: nodeName, purge: true });
    const names = { competitors: competitors.map(({ name }) => name), ours, supervisord };
    rows.push(...nodeRows(samples, names));
  }
}

async function write(): Promise<void> {
  const { files, tables } = await results({ rows, samples, cpuBefore, commit, out });
  await mkdir(out, { recursive: true });
  for (const [file, text] of Object.entries(files)) await writeFile(join(out, file), text);
  console.log(tables);
}

function reportProgress(what: string, startedAt: number): void {
  console.error(`${what}: ${((Date.now() - startedAt) / 1000).toFixed(0)} s`);
}
