import * as fc from 'fast-check';
import { test } from 'vitest';
import { scenario } from './scenario.ts';
import { Simulator } from './simulate.ts';

test('the engine keeps its promises in 10,000 random graphs', { timeout: 900_000 }, async () => {
  using simulator = new Simulator();
  const property = fc.asyncProperty(scenario, async (each) => simulator.run(each));
  // To look for more: npm run fuzz -- --target engine --minutes 10 --seed 2
  await fc.assert(property, { numRuns: 10_000, seed: 1 });
});
