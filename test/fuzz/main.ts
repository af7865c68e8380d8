import { parseArgs } from 'node:util';
import { simulateGraphs } from '../engine/simulation/simulate.ts';
import { fuzz } from './check.ts';
import { targets } from './targets.ts';

const usage = `usage: npm run fuzz -- [--target NAME]... [--minutes M] [--seed N] [--runs N]
targets: engine ${targets.map(({ name }) => name).join(' ')}`;

/** How many inputs each round has by default: random graphs for `engine`, otherwise mutated inputs. */
const engineRuns = 10_000;
const targetRuns = 1000;

const { values } = parseArgs({
  options: {
    target: { type: 'string', multiple: true, default: ['engine', ...targets.map(({ name }) => name)] },
    minutes: { type: 'string', default: '1' },
    seed: { type: 'string', default: '1' },
    runs: { type: 'string' },
  },
});
const [minutes, firstSeed] = [Number(values.minutes), Number(values.seed)];
const runsOf = (name: string): number => Number(values.runs ?? (name === 'engine' ? engineRuns : targetRuns));
const rounds = new Map([
  ['engine', async (n: number, seed: number) => simulateGraphs(n, seed)],
  ...targets.map(
    (target) => [target.name, async (n: number, seed: number) => fuzz(target, n, seed)] as const,
  ),
]);
const chosen = values.target.map((name) => ({ name, round: rounds.get(name) }));
if (
  ![minutes, firstSeed, ...values.target.map(runsOf)].every((number) => number >= 0) ||
  chosen.some(({ round }) => round === undefined)
) {
  console.error(usage);
  process.exit(2);
}
// Each target gets its part of the time, and at least one round.
const partMs = (minutes * 60_000) / chosen.length;
for (const { name, round } of chosen) {
  const until = Date.now() + partMs;
  const runs = runsOf(name);
  let seed = firstSeed;
  do await round!(runs, seed++);
  while (Date.now() < until);
  console.log(`${name}: ${(seed - firstSeed) * runs} inputs, seeds ${firstSeed} to ${seed - 1}`);
}
