import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { cpuOfPeer, enginePeers, peerSizes } from './enginePeers.ts';
import { shapes } from './graphs.ts';
import type { Shape } from './graphs.ts';
import type { Row } from './row.ts';

interface Took {
  readonly up: number;
  readonly down: number;
  readonly rssMb: number;
}

type Kind = 'task' | 'process' | 'spawn';

const run = promisify(execFile);
const program = fileURLToPath(new URL('engineRun.js', import.meta.url));
const goalMs = 1;

const sizes = [10, 100, 1000, 5000];

/**
 * The engine alone: the processor time it takes for each trivial component of a graph, up and down, in ms. Of real processes
 * without what the bare start and end of the same program by node:child_process takes in the same round.
 */
export async function measure({ rounds }: { rounds: number }): Promise<Row[]> {
  const rows = new Map<string, Row & { values: number[] }>();
  const add = (row: string, contestant: string, value: number): void => {
    const known = rows.get(`${row} ${contestant}`);
    if (known !== undefined) return void known.values.push(value);
    const goal = contestant === 'k8s-single' && !row.endsWith('with the spawn') ? { goal: goalMs } : {};
    rows.set(`${row} ${contestant}`, { row, contestant, unit: 'ms', values: [value], ...goal });
  };
  for (let round = 0; round < rounds; round += 1) {
    for (const shape of shapes) {
      for (const count of sizes) {
        const own = await once('task', shape, count);
        for (const what of ['up', 'down'] as const)
          add(`engine: ${what}, ${shape} of ${count} tasks, CPU each`, 'k8s-single', own[what] / count);
      }
      for (const count of sizes) {
        const own = await once('process', shape, count);
        const bare = await once('spawn', shape, count);
        for (const what of ['up', 'down'] as const) {
          const row = `engine: ${what}, ${shape} of ${count} processes, CPU each besides the spawn`;
          add(row, 'k8s-single', (own[what] - bare[what]) / count);
          add(row, 'the spawn itself', bare[what] / count);
        }
        if (shape === 'fan-out' && peerSizes.includes(count)) {
          const row = `engine: up, ${count} processes, CPU each with the spawn`;
          add(row, 'k8s-single', own.up / count);
          for (const peer of enginePeers) add(row, peer, (await cpuOfPeer(peer, count)) / count);
        }
      }
    }
  }
  return [...rows.values()];
}

async function once(kind: Kind, shape: Shape, count: number): Promise<Took> {
  const { stdout } = await run(process.execPath, [program, kind, shape, String(count)]);
  const took: Took = JSON.parse(stdout);
  return took;
}

if (process.argv[1] === fileURLToPath(import.meta.url))
  console.log(JSON.stringify(await measure({ rounds: Number(process.argv[2] ?? 3) }), undefined, 2));
