import { getEventListeners } from 'node:events';
import { expect, test } from 'vitest';
import { probeOnce } from '../../probes/probeOnce.ts';
import { all, Unhealthy, type Probe } from '../../probes/probe.ts';
import { failure, never, pass, reason } from '../fixtures/probes/attempts.ts';

const hang: Probe = () => new Promise(() => {});
const timers = () => process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length;

test('a probe that hangs and ignores its signal fails', async () => {
  expect(await reason(hang, 5)).toBe('no answer within 5 ms');
});

test('the signal of the probe aborts at the time limit', async () => {
  let abortReason: unknown;
  const probe: Probe = (signal) =>
    new Promise((_resolve, reject) => {
      signal.addEventListener('abort', () => {
        abortReason = signal.reason;
        reject(signal.reason);
      });
    });
  const error = await failure(probe, 5);
  expect(abortReason).toBe(error);
});

test("an abort interrupts the attempt immediately with the signal's own reason", async () => {
  const stop = new AbortController();
  const why = new Error('stopping');
  const attempt = probeOnce(hang, 60_000, stop.signal);
  stop.abort(why);
  await expect(attempt).rejects.toBe(why);
  await expect(probeOnce(hang, 60_000, stop.signal)).rejects.toBe(why);
});

test('an error of the probe becomes the reason and the cause', async () => {
  const thrown = new Error('too bad');
  const error = await failure(() => Promise.reject(thrown));
  expect(error.message).toBe('too bad');
  expect(error.cause).toBe(thrown);
  // eslint-disable-next-line typescript/prefer-promise-reject-errors -- a third-party probe may
  expect(await reason(() => Promise.reject('a text'))).toBe('a text');
});

test('an Unhealthy is passed on unchanged', async () => {
  const own = new Unhealthy('not yet');
  expect(await failure(() => Promise.reject(own))).toBe(own);
});

test.each([new TypeError('x is not a function'), new ReferenceError('y is not defined')])(
  'a programming error is passed on unchanged: %s',
  async (bug) => {
    await expect(probeOnce(() => Promise.reject(bug), 1000, never())).rejects.toBe(bug);
    const throwing: Probe = () => {
      throw bug;
    };
    await expect(probeOnce(throwing, 1000, never())).rejects.toBe(bug);
  },
);

test('leaves no timer and no listener behind', async () => {
  const before = timers();
  const { signal } = new AbortController();
  await probeOnce(() => Promise.resolve(), Infinity, signal);
  await probeOnce(() => Promise.reject(new Error('no')), 60_000, signal).catch(() => {});
  await probeOnce(hang, 1, signal).catch(() => {});
  expect(getEventListeners(signal, 'abort')).toHaveLength(0);
  expect(timers()).toBe(before);
});

test('all: passes when each does, runs them in order, stops at the first failure', async () => {
  const run: string[] = [];
  const step = (name: string, outcome: 'ok' | 'no'): Probe => {
    return () => {
      run.push(name);
      return outcome === 'ok' ? Promise.resolve() : Promise.reject(new Unhealthy(`${name} is not`));
    };
  };
  await pass(all(step('a', 'ok'), step('b', 'ok')));
  expect(await reason(all(step('c', 'ok'), step('d', 'no'), step('e', 'ok')))).toBe('d is not');
  expect(run).toEqual(['a', 'b', 'c', 'd']);
});
