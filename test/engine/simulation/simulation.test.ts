import * as fc from 'fast-check';
import { test } from 'vitest';
import { scenario } from './scenario.ts';
import type { Scenario } from './scenario.ts';
import { Simulator } from './simulate.ts';

test('the engine keeps its promises in 10,000 random graphs', { timeout: 600_000 }, async () => {
  using simulator = new Simulator();
  const simulate = async (each: Scenario): Promise<void> => simulator.run(each);
  const numRuns = Number(process.env['SIMULATIONS'] ?? 10_000);
  const seed = Number(process.env['SEED'] ?? 1);
  await fc.assert(fc.asyncProperty(scenario, simulate), {
    numRuns,
    seed,
    endOnFailure: process.env['FAST'] !== undefined,
  });
});
