import { describe, it } from 'vitest';
import { fuzz } from './check.ts';
import { targets } from './targets.ts';

/** A machine that runs the whole suite is busy, and its processor time says less. */
const slowness = 10;

describe('input from outside: no crash, no hang, bounded time and memory, errors that name the place', () => {
  it.each(targets)('$name', { timeout: 300_000 }, async (target) => {
    await fuzz(target, 100, 1, slowness);
  });
});
