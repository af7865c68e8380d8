import { expect, test } from 'vitest';
import { byKind, runChaos, summary } from '../chaos/chaos.ts';
import { defaultKinds } from '../chaos/faults.ts';

/**
 * The short form of `npm run chaos`, which takes hours as well and any seed. etcd's quota alone would take these two minutes:
 * kubernetes/components/etcdSpace.test.ts has it.
 */
// The last fault may need the whole bound.
test('two minutes of faults lose no object and leave nothing behind', { timeout: 600_000 }, async () => {
  const lines: string[] = [];
  const tally = await runChaos({
    name: 'e2e-chaos',
    seed: 1,
    durationMs: 120_000,
    only: defaultKinds.filter((kind) => kind !== 'quota'),
    print: (line) => lines.push(line),
    signal: new AbortController().signal,
  });
  expect(tally.failures, lines.join('\n')).toEqual([]);
  expect({ lost: tally.lost, leftovers: tally.leftovers }).toEqual({ lost: [], leftovers: [] });
  expect(tally.acknowledged).toBeGreaterThan(100);
  console.log([...byKind(tally), summary(tally)].join('\n'));
});
