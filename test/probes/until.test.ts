import { getEventListeners } from 'node:events';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { PermanentFailure, Unhealthy, type Probe } from '../../probes/probe.ts';
import { DeadlineExceeded, until, type UntilOptions } from '../../probes/until.ts';
import { never } from '../fixtures/probes/attempts.ts';

// Only the test advances the clock, so the times below are exact.
beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  expect(vi.getTimerCount()).toBe(0);
  vi.useRealTimers();
});

/** Passes after this many failed attempts; records the times of all attempts. */
function passesAfter(failures: number) {
  const attempts: number[] = [];
  const start = Date.now();
  const probe: Probe = () => {
    attempts.push(Date.now() - start);
    return attempts.length > failures
      ? Promise.resolve()
      : Promise.reject(new Unhealthy(`failure ${attempts.length}`));
  };
  return { probe, attempts };
}

/** Runs `until` and advances the clock until it settles; returns the error, if any. */
async function run(probe: Probe, options: UntilOptions, signal = never()): Promise<unknown> {
  const outcome: { error?: unknown }[] = [];
  void until(probe, options, signal).then(
    () => outcome.push({}),
    (error: unknown) => outcome.push({ error }),
  );
  while (outcome.length === 0) await vi.advanceTimersByTimeAsync(1);
  return outcome[0]?.error;
}

describe('the attempts', () => {
  test('one, immediately, when it passes', async () => {
    const { probe, attempts } = passesAfter(0);
    await until(probe, { timeoutMs: 1000 }, never());
    expect(attempts).toEqual([0]);
  });

  test('pause 25 ms, growing by a fifth each to 250 ms', async () => {
    const { probe, attempts } = passesAfter(18);
    await run(probe, { timeoutMs: 60_000 });
    const pauses = attempts.slice(1).map((at, index) => at - (attempts[index] ?? 0));
    expect(pauses).toEqual([
      25, 30, 36, 43, 52, 62, 75, 90, 107, 129, 155, 186, 223, 250, 250, 250, 250, 250,
    ]);
  });

  test('none after a permanent failure, which is the error', async () => {
    const failures = [new Unhealthy('not yet'), new PermanentFailure('never')];
    const reasons: string[] = [];
    const probe: Probe = async () => {
      throw failures[reasons.length]!;
    };
    const onAttemptFailed = (reason: string): void => void reasons.push(reason);
    expect(await run(probe, { timeoutMs: 60_000, onAttemptFailed })).toBe(failures[1]);
    expect(reasons).toEqual(['not yet', 'never']);
  });

  test.each([
    [1, 1],
    [10, 10],
    [40, 100],
    [25, 1000],
  ])('pause %d ms, growing to %d ms', async (periodMs, maxPeriodMs) => {
    const { probe, attempts } = passesAfter(60);
    await run(probe, { timeoutMs: 1e6, periodMs, maxPeriodMs });
    const pauses = attempts.slice(1).map((at, index) => at - (attempts[index] ?? 0));
    expect(pauses[0]).toBe(periodMs);
    expect(pauses.at(-1)).toBe(maxPeriodMs);
    expect(pauses).toEqual(pauses.toSorted((a, b) => a - b));
  });

  test.each([0, 1, 2, 7, 30])('number one more than the failures: %d', async (failures) => {
    const { probe, attempts } = passesAfter(failures);
    const reasons: string[] = [];
    expect(
      await run(probe, { timeoutMs: 60_000, onAttemptFailed: (reason) => reasons.push(reason) }),
    ).toBeUndefined();
    expect(attempts).toHaveLength(failures + 1);
    expect(reasons).toEqual(Array.from({ length: failures }, (_, index) => `failure ${index + 1}`));
  });

  test('go on after one that hung', async () => {
    const reasons: string[] = [];
    let attempts = 0;
    const probe: Probe = () => (++attempts > 2 ? Promise.resolve() : new Promise(() => {}));
    await run(probe, {
      timeoutMs: 60_000,
      attemptTimeoutMs: 300,
      onAttemptFailed: (reason) => reasons.push(reason),
    });
    expect(reasons).toEqual(['no answer within 300 ms', 'no answer within 300 ms']);
  });
});

describe('the deadline', () => {
  test.each([1, 24, 25, 26, 100, 1234, 30_000])('after %d ms, to the millisecond', async (timeoutMs) => {
    const { probe, attempts } = passesAfter(Infinity);
    const start = Date.now();
    const error = await run(probe, { timeoutMs });
    expect(Date.now() - start).toBe(timeoutMs);
    expect(error).toBeInstanceOf(DeadlineExceeded);
    expect(error).toHaveProperty('lastReason', `failure ${attempts.length}`);
    expect(error).toHaveProperty('cause', new Unhealthy(`failure ${attempts.length}`));
    const before = attempts.length;
    await vi.advanceTimersByTimeAsync(10_000);
    expect(attempts).toHaveLength(before);
  });

  test('reports the time waited and the last reason', async () => {
    const error = await run(() => Promise.reject(new Error('connection refused on 127.0.0.1:4001')), {
      timeoutMs: 30_000,
    });
    expect(String(error)).toBe(
      'DeadlineExceeded: not ready after 30.0 s: connection refused on 127.0.0.1:4001',
    );
    expect(error).toMatchObject({ timeoutMs: 30_000, lastReason: 'connection refused on 127.0.0.1:4001' });
  });

  test('interrupts an attempt that hangs, keeps the reason of the one before, and is no failure of its own', async () => {
    let attempts = 0;
    const reasons: string[] = [];
    const probe: Probe = () =>
      ++attempts === 1 ? Promise.reject(new Error('first')) : new Promise(() => {});
    const error = await run(probe, { timeoutMs: 100, onAttemptFailed: (reason) => reasons.push(reason) });
    expect(error).toMatchObject({ lastReason: 'first' });
    expect(reasons).toEqual(['first']);
  });

  test('has a reason even if no attempt has finished', async () => {
    const error = await run(() => new Promise(() => {}), { timeoutMs: 100 });
    expect(error).toMatchObject({ lastReason: 'the first attempt has not finished' });
  });

  test('Infinity means none', async () => {
    const { probe } = passesAfter(5);
    expect(await run(probe, { timeoutMs: Infinity })).toBeUndefined();
  });
});

describe('the signal', () => {
  test.each([
    ['an error', new Error('stopping')],
    ['a TypeError', new TypeError('stopping')],
    ['no error at all', 'stopping'],
  ])('interrupts it immediately with its own reason: %s', async (_what, why) => {
    const hanging = new AbortController();
    const hungAttempt = until(() => new Promise(() => {}), { timeoutMs: 1000 }, hanging.signal);
    hanging.abort(why);
    await expect(hungAttempt).rejects.toBe(why);

    const pausing = new AbortController();
    const { probe, attempts } = passesAfter(Infinity);
    const waiting = until(
      probe,
      { timeoutMs: 1000, onAttemptFailed: () => pausing.abort(why) },
      pausing.signal,
    );
    await expect(waiting).rejects.toBe(why);
    expect(attempts).toEqual([0]);
    expect(getEventListeners(pausing.signal, 'abort')).toHaveLength(0);
  });

  test('already aborted: no attempt at all', async () => {
    const { probe, attempts } = passesAfter(0);
    await expect(until(probe, { timeoutMs: 1000 }, AbortSignal.abort('no'))).rejects.toBe('no');
    expect(attempts).toEqual([]);
  });

  test('has no listener left afterwards', async () => {
    const { signal } = new AbortController();
    await run(passesAfter(3).probe, { timeoutMs: 1000 }, signal);
    await run(passesAfter(Infinity).probe, { timeoutMs: 1000 }, signal);
    expect(getEventListeners(signal, 'abort')).toHaveLength(0);
  });
});

test.each([new TypeError("Cannot read properties of undefined (reading 'status')"), new ReferenceError('x')])(
  'a programming error of the probe rejects immediately: %s',
  async (bug) => {
    const reasons: string[] = [];
    const broken: Probe = () => Promise.reject(bug);
    await expect(
      until(broken, { timeoutMs: 1000, onAttemptFailed: (reason) => reasons.push(reason) }, never()),
    ).rejects.toBe(bug);
    expect(reasons).toEqual([]);
  },
);
