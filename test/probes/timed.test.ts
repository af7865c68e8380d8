import { expect, test } from 'vitest';
import { probeOnce } from '../../probes/probeOnce.ts';
import { Unhealthy, type Probe } from '../../probes/probe.ts';
import { timed } from '../../probes/timed.ts';
import { failure, pass } from '../fixtures/probes/attempts.ts';

function recorded(probe: Probe): { probe: Probe; passed: boolean[]; ms: number[] } {
  const [passed, ms]: [boolean[], number[]] = [[], []];
  const recording = timed(probe, (tookMs, hasPassed) => {
    ms.push(tookMs);
    passed.push(hasPassed);
  });
  return { probe: recording, passed, ms };
}

const obedient: Probe = (signal) =>
  new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(signal.reason)));

test('reports each attempt and passes on its outcome', async () => {
  const reason = new Unhealthy('not yet');
  let healthy = false;
  const { probe, passed, ms } = recorded(async () => {
    if (!healthy) throw reason;
  });
  expect(await failure(probe)).toBe(reason);
  healthy = true;
  await pass(probe);
  expect(passed).toEqual([false, true]);
  expect(ms.every((each) => each >= 0)).toBe(true);
});

test('an attempt that runs into its time limit counts', async () => {
  const { probe, passed, ms } = recorded(obedient);
  await failure(probe, 20);
  expect(passed).toEqual([false]);
  expect(ms[0]).toBeGreaterThan(15);
});

test('a cancelled attempt does not count', async () => {
  const { probe, passed } = recorded(obedient);
  const stop = new AbortController();
  const attempt = probeOnce(probe, 60_000, stop.signal);
  stop.abort(new Error('stopping'));
  await expect(attempt).rejects.toThrow('stopping');
  expect(passed).toEqual([]);
});
