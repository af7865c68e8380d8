import { getEventListeners } from 'node:events';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { Unhealthy, type Probe } from '../../probes/probe.ts';
import { DeadlineExceeded, until, type UntilOptions } from '../../probes/until.ts';
import { never } from '../fixtures/probes/looks.ts';

// The clock stands still unless the test moves it, so the times below are exact.
beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  expect(vi.getTimerCount()).toBe(0);
  vi.useRealTimers();
});

/** Passes at the look after `misses` misses, and notes when it was looked through. */
function passesAfter(misses: number) {
  const looks: number[] = [];
  const start = Date.now();
  const probe: Probe = () => {
    looks.push(Date.now() - start);
    return looks.length > misses ? Promise.resolve() : Promise.reject(new Unhealthy(`miss ${looks.length}`));
  };
  return { probe, looks };
}

/** Runs until to its end, moving the clock as it waits; gives the error, if any. */
async function run(probe: Probe, options: UntilOptions, signal = never()): Promise<unknown> {
  const outcome: { error?: unknown }[] = [];
  void until(probe, options, signal).then(
    () => outcome.push({}),
    (error: unknown) => outcome.push({ error }),
  );
  while (outcome.length === 0) await vi.advanceTimersByTimeAsync(1);
  return outcome[0]?.error;
}

describe('when it looks', () => {
  test('at once, when the first look passes', async () => {
    const { probe, looks } = passesAfter(0);
    await until(probe, { timeoutMs: 1000 }, never());
    expect(looks).toEqual([0]);
  });

  test('then after 25 ms, growing a fifth at a time to 250 ms', async () => {
    const { probe, looks } = passesAfter(18);
    await run(probe, { timeoutMs: 60_000 });
    const pauses = looks.slice(1).map((at, index) => at - (looks[index] ?? 0));
    expect(pauses).toEqual([
      25, 30, 36, 43, 52, 62, 75, 90, 107, 129, 155, 186, 223, 250, 250, 250, 250, 250,
    ]);
  });

  test.each([
    [1, 1],
    [10, 10],
    [40, 100],
    [25, 1000],
  ])('starting at %d ms and growing to %d ms', async (periodMs, maxPeriodMs) => {
    const { probe, looks } = passesAfter(60);
    await run(probe, { timeoutMs: 1e6, periodMs, maxPeriodMs });
    const pauses = looks.slice(1).map((at, index) => at - (looks[index] ?? 0));
    expect(pauses[0]).toBe(periodMs);
    expect(pauses.at(-1)).toBe(maxPeriodMs);
    expect(pauses).toEqual(pauses.toSorted((a, b) => a - b));
  });

  test.each([0, 1, 2, 7, 30])('once more than it missed: %d', async (misses) => {
    const { probe, looks } = passesAfter(misses);
    const told: string[] = [];
    expect(await run(probe, { timeoutMs: 60_000, onAttemptFailed: (why) => told.push(why) })).toBeUndefined();
    expect(looks).toHaveLength(misses + 1);
    expect(told).toEqual(Array.from({ length: misses }, (_, index) => `miss ${index + 1}`));
  });

  test('again after a look that hung', async () => {
    const told: string[] = [];
    let looks = 0;
    const probe: Probe = () => (++looks > 2 ? Promise.resolve() : new Promise(() => {}));
    await run(probe, { timeoutMs: 60_000, attemptTimeoutMs: 300, onAttemptFailed: (why) => told.push(why) });
    expect(told).toEqual(['no answer within 300 ms', 'no answer within 300 ms']);
  });
});

describe('the deadline', () => {
  test.each([1, 24, 25, 26, 100, 1234, 30_000])('after %d ms, to the millisecond', async (timeoutMs) => {
    const { probe, looks } = passesAfter(Infinity);
    const start = Date.now();
    const error = await run(probe, { timeoutMs });
    expect(Date.now() - start).toBe(timeoutMs);
    expect(error).toBeInstanceOf(DeadlineExceeded);
    expect(error).toHaveProperty('lastReason', `miss ${looks.length}`);
    expect(error).toHaveProperty('cause', new Unhealthy(`miss ${looks.length}`));
    const looked = looks.length;
    await vi.advanceTimersByTimeAsync(10_000);
    expect(looks).toHaveLength(looked);
  });

  test('says how long it waited, and the last reason', async () => {
    const error = await run(() => Promise.reject(new Error('connection refused on 127.0.0.1:4001')), {
      timeoutMs: 30_000,
    });
    expect(String(error)).toBe('NotInTime: not ready after 30.0 s: connection refused on 127.0.0.1:4001');
    expect(error).toMatchObject({ timeoutMs: 30_000, lastReason: 'connection refused on 127.0.0.1:4001' });
  });

  test('cuts a look that hangs, keeps the reason of the one before, and is no miss of its own', async () => {
    let looks = 0;
    const told: string[] = [];
    const probe: Probe = () => (++looks === 1 ? Promise.reject(new Error('first')) : new Promise(() => {}));
    const error = await run(probe, { timeoutMs: 100, onAttemptFailed: (why) => told.push(why) });
    expect(error).toMatchObject({ lastReason: 'first' });
    expect(told).toEqual(['first']);
  });

  test('has a reason even if no look has ended', async () => {
    const error = await run(() => new Promise(() => {}), { timeoutMs: 100 });
    expect(error).toMatchObject({ lastReason: 'the first look has not ended' });
  });

  test('Infinity is no deadline', async () => {
    const { probe } = passesAfter(5);
    expect(await run(probe, { timeoutMs: Infinity })).toBeUndefined();
  });
});

describe('the signal', () => {
  test.each([
    ['an error', new Error('stopping')],
    ['a TypeError', new TypeError('stopping')],
    ['no error at all', 'stopping'],
  ])('ends it at once with its own reason: %s', async (_what, why) => {
    const hanging = new AbortController();
    const looking = until(() => new Promise(() => {}), { timeoutMs: 1000 }, hanging.signal);
    hanging.abort(why);
    await expect(looking).rejects.toBe(why);

    const pausing = new AbortController();
    const { probe, looks } = passesAfter(Infinity);
    const waiting = until(
      probe,
      { timeoutMs: 1000, onAttemptFailed: () => pausing.abort(why) },
      pausing.signal,
    );
    await expect(waiting).rejects.toBe(why);
    expect(looks).toEqual([0]);
    expect(getEventListeners(pausing.signal, 'abort')).toHaveLength(0);
  });

  test('aborted before: no look at all', async () => {
    const { probe, looks } = passesAfter(0);
    await expect(until(probe, { timeoutMs: 1000 }, AbortSignal.abort('no'))).rejects.toBe('no');
    expect(looks).toEqual([]);
  });

  test('keeps no listener of what is over', async () => {
    const { signal } = new AbortController();
    await run(passesAfter(3).probe, { timeoutMs: 1000 }, signal);
    await run(passesAfter(Infinity).probe, { timeoutMs: 1000 }, signal);
    expect(getEventListeners(signal, 'abort')).toHaveLength(0);
  });
});

test.each([new TypeError("Cannot read properties of undefined (reading 'status')"), new ReferenceError('x')])(
  "the probe's own mistake surfaces at once instead of burning the deadline: %s",
  async (mistake) => {
    const told: string[] = [];
    const broken: Probe = () => Promise.reject(mistake);
    await expect(
      until(broken, { timeoutMs: 1000, onAttemptFailed: (why) => told.push(why) }, never()),
    ).rejects.toBe(mistake);
    expect(told).toEqual([]);
  },
);
