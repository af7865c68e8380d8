import { parseArgs } from 'node:util';
import * as fc from 'fast-check';
import { scenario } from '../engine/simulation/scenario.ts';
import { Simulator } from '../engine/simulation/simulate.ts';
import { fuzz } from './check.ts';
import { targets } from './targets.ts';

const usage = `usage: npm run fuzz -- [--target NAME]... [--minutes M] [--seed N] [--runs N]
targets: engine ${targets.map(({ name }) => name).join(' ')}`;

/** Random graphs under the simulated clock. */
async function simulate(runs: number, seed: number): Promise<void> {
  using simulator = new Simulator();
  await fc.assert(
    fc.asyncProperty(scenario, async (each) => simulator.run(each)),
    { numRuns: runs, seed },
  );
}

const { values } = parseArgs({
  options: {
    target: { type: 'string', multiple: true, default: ['engine', ...targets.map(({ name }) => name)] },
    minutes: { type: 'string', default: '1' },
    seed: { type: 'string', default: '1' },
    runs: { type: 'string', default: '1000' },
  },
});
const [minutes, firstSeed, runs] = [values.minutes, values.seed, values.runs].map(Number) as [
  number,
  number,
  number,
];
const rounds = new Map([
  ['engine', simulate],
  ...targets.map(
    (target) => [target.name, async (n: number, seed: number) => fuzz(target, n, seed)] as const,
  ),
]);
const chosen = values.target.map((name) => ({ name, round: rounds.get(name) }));
if (
  ![minutes, firstSeed, runs].every((number) => number >= 0) ||
  chosen.some(({ round }) => round === undefined)
) {
  console.error(usage);
  process.exit(2);
}
// Each target gets its part of the time, and at least one round.
const partMs = (minutes * 60_000) / chosen.length;
for (const { name, round } of chosen) {
  const until = Date.now() + partMs;
  let seed = firstSeed;
  do await round!(runs, seed++);
  while (Date.now() < until);
  console.log(`${name}: ${(seed - firstSeed) * runs} inputs, seeds ${firstSeed} to ${seed - 1}`);
}
