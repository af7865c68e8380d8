/** `npm run bench`: see `--help`, and NOTES.md for what the numbers mean. */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Command, InvalidArgumentError, Option } from 'commander';
import { down } from '../src/commands/down.ts';
import { loadNodeConfig } from '../src/supervisor/options.ts';
import { contestants, ours, script, supervisord } from './contestants.ts';
import * as engine from './engine.ts';
import * as latency from './latency.ts';
import { nothingLeft } from './leftovers.ts';
import { nodeRows } from './nodeRows.ts';
import { nodeName, options } from './place.ts';
import { results } from './results.ts';
import type { Row } from './row.ts';
import * as run from './run.ts';
import { parts, session } from './session.ts';
import type { Sample } from './session.ts';
import { processorTimes, stolenSince } from './stolen.ts';
import * as supervisor from './supervisor.ts';

/** What needs no other contestants, by name. Each is measured as often as there are rounds. */
const others: Readonly<Record<string, { measure: (how: { rounds: number }) => Promise<Row[]> }>> = {
  supervisor,
  engine,
  latency,
  run,
};

interface BenchOptions {
  readonly rounds: number;
  readonly only: readonly string[];
  readonly out: string;
}

const count = (text: string): number => {
  if (!/^[1-9]\d*$/.test(text)) throw new InvalidArgumentError('a number from 1 on.');
  return Number(text);
};

const all = [...parts, ...Object.keys(others)];
const { rounds, only, out } = new Command('npm run bench --')
  .description(
    'compares k8s-single with what it replaces, on this machine; needs root and the binaries of "install"',
  )
  .option('--rounds <n>', 'how often each contestant is measured', count, 5)
  .addOption(new Option('--only <part...>', 'measure these alone').choices(all).default(all, 'all'))
  .option('--out <dir>', 'where the results are written', join(import.meta.dirname, '../../bench'))
  .parse()
  .opts<BenchOptions>();

const interrupt = new AbortController();
for (const name of ['SIGINT', 'SIGTERM'] as const)
  process.once(name, () => interrupt.abort(new Error(`interrupted by ${name}`)));

const wanted = new Set(only);
const samples: Sample[] = [];
const rows: Row[] = [];
const before = processorTimes();
try {
  if (parts.some((part) => wanted.has(part))) await compare();
  for (const [name, { measure }] of Object.entries(others)) {
    if (!wanted.has(name)) continue;
    interrupt.signal.throwIfAborted();
    const began = Date.now();
    rows.push(...(await measure({ rounds })));
    progress(name, began);
  }
} finally {
  // What was measured took long: it is kept, whatever came after it.
  if (rows.length > 0) await write();
}

/** Every contestant in turn, and the rows of it. */
async function compare(): Promise<void> {
  const { node: config } = await loadNodeConfig(options);
  // Someone else's node of this name is not ours to take down.
  await nothingLeft();
  try {
    for (let round = 0; round < rounds; round += 1) {
      // Whoever comes first finds the machine in another state than the last: everyone has each place in turn.
      for (const index of contestants.keys()) {
        const contestant = contestants[(index + round) % contestants.length]!;
        const began = Date.now();
        samples.push(await session(contestant, { round, wanted, config }, interrupt.signal));
        await nothingLeft();
        progress(`round ${round + 1} of ${rounds}, ${contestant.name}`, began);
      }
    }
  } finally {
    await down({ name: nodeName, purge: true });
    const columns = { contestants: contestants.map(({ name }) => name), ours, script, supervisord };
    rows.push(...nodeRows(samples, columns));
  }
}

async function write(): Promise<void> {
  const written = await results({ rows, samples, rounds, stolen: stolenSince(before) });
  await mkdir(out, { recursive: true });
  for (const [file, text] of Object.entries(written.files)) await writeFile(join(out, file), text);
  console.log(written.tables);
}

function progress(what: string, began: number): void {
  console.error(`${what}: ${((Date.now() - began) / 1000).toFixed(0)} s`);
}
