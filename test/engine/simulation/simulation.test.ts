import { expect, test } from 'vitest';
import { simulateGraphs } from './simulate.ts';

test('the engine keeps its promises in 10,000 random graphs', { timeout: 900_000 }, async () => {
  // For more: npm run fuzz -- --target engine --minutes 10 --seed 2
  await simulateGraphs(10_000, 1);
});

test('a graph that fails is shrunk for a limited time, and printed with its seed', async () => {
  let runs = 0;
  const check = (): void => {
    runs += 1;
    if (runs < 20) return;
    const until = performance.now() + (runs > 20 ? 300 : 0);
    while (performance.now() < until);
    throw new Error('broken');
  };
  const error: unknown = await simulateGraphs(50, 1, { check, timeoutMs: 200 }).catch(
    (cause: unknown) => cause,
  );
  // Without a limit, it is shrunk seven times and more.
  expect(error).toMatchObject({
    message: expect.stringMatching(
      /^Property failed after 1 tests\n\{ seed: 1, path: "19[":][^]*Shrunk [01] time/,
    ),
    cause: new Error('broken'),
  });
});
