import { getEventListeners } from 'node:events';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { Unhealthy, type Probe } from '../../probes/probe.ts';
import { watch } from '../../probes/watch.ts';
import { never } from '../fixtures/probes/looks.ts';

// The clock stands still unless the test moves it.
beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  expect(vi.getTimerCount()).toBe(0);
  vi.useRealTimers();
});

/** A probe that goes through `outcomes`: `.` a pass, `x` a miss, `?` no answer, and passes ever after. */
function going(outcomes: string) {
  const looks: number[] = [];
  const start = Date.now();
  const probe: Probe = () => {
    const outcome = outcomes[looks.length];
    looks.push(Date.now() - start);
    if (outcome === '?') return new Promise(() => {});
    return outcome === 'x'
      ? Promise.reject(new Unhealthy(`miss at look ${looks.length}`))
      : Promise.resolve();
  };
  return { probe, looks };
}

test.each([
  ['xxx', 'miss at look 3', 3],
  ['..xxx', 'miss at look 5', 5],
  ['xx.xx.xxx', 'miss at look 9', 9],
  ['x.x.x.x.xxx', 'miss at look 11', 11],
])('resolves with the last reason after three misses in a row: %s', async (outcomes, reason, count) => {
  const { probe, looks } = going(outcomes);
  const watching = watch(probe, {}, never());
  await vi.advanceTimersByTimeAsync(60_000);
  expect(await watching).toBe(reason);
  expect(looks).toHaveLength(count);
});

test('looks every 2 s, the first time after 2 s', async () => {
  const { probe, looks } = going('....xxx');
  const watching = watch(probe, {}, never());
  await vi.advanceTimersByTimeAsync(60_000);
  await watching;
  expect(looks).toEqual([2000, 4000, 6000, 8000, 10_000, 12_000, 14_000]);
});

test("interval, number of misses and time limit are the caller's", async () => {
  const { probe, looks } = going('.??');
  const told: [string, number][] = [];
  const onAttemptFailed = (why: string, inARow: number) => told.push([why, inARow]);
  const watching = watch(
    probe,
    { periodMs: 100, failureThreshold: 2, attemptTimeoutMs: 50, onAttemptFailed },
    never(),
  );
  await vi.advanceTimersByTimeAsync(400);
  expect(await watching).toBe('no answer within 50 ms');
  expect(looks).toEqual([100, 200, 300]);
  expect(told).toEqual([
    ['no answer within 50 ms', 1],
    ['no answer within 50 ms', 2],
  ]);
});

test('never ends while all is well; an abort ends it at once with its reason', async () => {
  const stop = new AbortController();
  const { probe, looks } = going('');
  const watching = watch(probe, {}, stop.signal);
  await vi.advanceTimersByTimeAsync(3_600_000);
  expect(looks).toHaveLength(1800);
  expect(getEventListeners(stop.signal, 'abort').length).toBeLessThanOrEqual(1);
  stop.abort('over');
  await expect(watching).rejects.toBe('over');
  expect(getEventListeners(stop.signal, 'abort')).toHaveLength(0);
});

test('an abort in the middle of a look ends it too, as does one before the start', async () => {
  const stop = new AbortController();
  const watching = watch(going('?').probe, {}, stop.signal);
  await vi.advanceTimersByTimeAsync(2001);
  stop.abort('over');
  await expect(watching).rejects.toBe('over');
  await expect(watch(going('').probe, {}, stop.signal)).rejects.toBe('over');
});

test("the probe's own mistake surfaces at once", async () => {
  const mistake = new TypeError('x is not a function');
  const watching = expect(watch(() => Promise.reject(mistake), {}, never())).rejects.toBe(mistake);
  await vi.advanceTimersByTimeAsync(2000);
  await watching;
});

test('those that look equally often look at the same moment, and not twice within half their time', async () => {
  const [early, late] = [going(''), going('')];
  const end = new AbortController();
  const watching = [watch(early.probe, {}, end.signal)];
  await vi.advanceTimersByTimeAsync(1500);
  watching.push(watch(late.probe, {}, end.signal));
  await vi.advanceTimersByTimeAsync(7000);
  expect(early.looks).toEqual([2000, 4000, 6000, 8000]);
  expect(late.looks).toEqual([4000, 6000, 8000]);
  end.abort(new Error('over'));
  for (const each of watching) await expect(each).rejects.toThrow('over');
});
