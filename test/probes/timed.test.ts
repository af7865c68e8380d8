import { expect, test } from 'vitest';
import { probeOnce } from '../../probes/probeOnce.ts';
import { Unhealthy, type Probe } from '../../probes/probe.ts';
import { timed } from '../../probes/timed.ts';
import { miss, pass } from '../fixtures/probes/looks.ts';

function counted(probe: Probe): { probe: Probe; looks: boolean[]; ms: number[] } {
  const [looks, ms]: [boolean[], number[]] = [[], []];
  const counting = timed(probe, (took, healthy) => {
    ms.push(took);
    looks.push(healthy);
  });
  return { probe: counting, looks, ms };
}

const obedient: Probe = (signal) =>
  new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(signal.reason)));

test('each look is told, and its outcome stays what it is', async () => {
  const why = new Unhealthy('not yet');
  let healthy = false;
  const { probe, looks, ms } = counted(async () => {
    if (!healthy) throw why;
  });
  expect(await miss(probe)).toBe(why);
  healthy = true;
  await pass(probe);
  expect(looks).toEqual([false, true]);
  expect(ms.every((each) => each >= 0)).toBe(true);
});

test('a look that runs into its time limit took so long', async () => {
  const { probe, looks, ms } = counted(obedient);
  await miss(probe, 20);
  expect(looks).toEqual([false]);
  expect(ms[0]).toBeGreaterThan(15);
});

test('a look that nobody waits for any more is none', async () => {
  const { probe, looks } = counted(obedient);
  const stop = new AbortController();
  const looking = probeOnce(probe, 60_000, stop.signal);
  stop.abort(new Error('stopping'));
  await expect(looking).rejects.toThrow('stopping');
  expect(looks).toEqual([]);
});
