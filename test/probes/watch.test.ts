import { getEventListeners } from 'node:events';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { Unhealthy, type Probe } from '../../probes/probe.ts';
import { watch } from '../../probes/watch.ts';
import { never } from '../fixtures/probes/attempts.ts';

// Only the test advances the clock.
beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  expect(vi.getTimerCount()).toBe(0);
  vi.useRealTimers();
});

/** A probe with these outcomes: `.` passes, `x` fails, `?` hangs. Passes ever after. Records the times of all attempts. */
function withOutcomes(outcomes: string) {
  const attempts: number[] = [];
  const start = Date.now();
  const probe: Probe = () => {
    const outcome = outcomes[attempts.length];
    attempts.push(Date.now() - start);
    if (outcome === '?') return new Promise(() => {});
    return outcome === 'x' ? Promise.reject(new Unhealthy(`failure ${attempts.length}`)) : Promise.resolve();
  };
  return { probe, attempts };
}

test.each([
  ['xxx', 'failure 3', 3],
  ['..xxx', 'failure 5', 5],
  ['xx.xx.xxx', 'failure 9', 9],
  ['x.x.x.x.xxx', 'failure 11', 11],
])('resolves with the last reason after three failures in a row: %s', async (outcomes, reason, count) => {
  const { probe, attempts } = withOutcomes(outcomes);
  const watching = watch(probe, {}, never());
  await vi.advanceTimersByTimeAsync(60_000);
  expect(await watching).toBe(reason);
  expect(attempts).toHaveLength(count);
});

test('runs the probe every 2 s, the first time after 2 s', async () => {
  const { probe, attempts } = withOutcomes('....xxx');
  const watching = watch(probe, {}, never());
  await vi.advanceTimersByTimeAsync(60_000);
  await watching;
  expect(attempts).toEqual([2000, 4000, 6000, 8000, 10_000, 12_000, 14_000]);
});

test('the period, the failure threshold and the time limit are options', async () => {
  const { probe, attempts } = withOutcomes('.??');
  const failures: [string, number][] = [];
  const onAttemptFailed = (reason: string, inARow: number) => failures.push([reason, inARow]);
  const watching = watch(
    probe,
    { periodMs: 100, failureThreshold: 2, attemptTimeoutMs: 50, onAttemptFailed },
    never(),
  );
  await vi.advanceTimersByTimeAsync(400);
  expect(await watching).toBe('no answer within 50 ms');
  expect(attempts).toEqual([100, 200, 300]);
  expect(failures).toEqual([
    ['no answer within 50 ms', 1],
    ['no answer within 50 ms', 2],
  ]);
});

test('never settles while the probe passes; an abort interrupts it immediately with its reason', async () => {
  const stop = new AbortController();
  const { probe, attempts } = withOutcomes('');
  const watching = watch(probe, {}, stop.signal);
  await vi.advanceTimersByTimeAsync(3_600_000);
  expect(attempts).toHaveLength(1800);
  expect(getEventListeners(stop.signal, 'abort').length).toBeLessThanOrEqual(1);
  stop.abort('over');
  await expect(watching).rejects.toBe('over');
  expect(getEventListeners(stop.signal, 'abort')).toHaveLength(0);
});

test('so does an abort during an attempt, or before the start', async () => {
  const stop = new AbortController();
  const watching = watch(withOutcomes('?').probe, {}, stop.signal);
  await vi.advanceTimersByTimeAsync(2001);
  stop.abort('over');
  await expect(watching).rejects.toBe('over');
  await expect(watch(withOutcomes('').probe, {}, stop.signal)).rejects.toBe('over');
});

test('a programming error of the probe rejects immediately', async () => {
  const bug = new TypeError('x is not a function');
  const watching = expect(watch(() => Promise.reject(bug), {}, never())).rejects.toBe(bug);
  await vi.advanceTimersByTimeAsync(2000);
  await watching;
});

test('watches with the same period run together, and not twice within half a period', async () => {
  const [early, late] = [withOutcomes(''), withOutcomes('')];
  const end = new AbortController();
  const watching = [watch(early.probe, {}, end.signal)];
  await vi.advanceTimersByTimeAsync(1500);
  watching.push(watch(late.probe, {}, end.signal));
  await vi.advanceTimersByTimeAsync(7000);
  expect(early.attempts).toEqual([2000, 4000, 6000, 8000]);
  expect(late.attempts).toEqual([4000, 6000, 8000]);
  end.abort(new Error('over'));
  for (const each of watching) await expect(each).rejects.toThrow('over');
});
