import { getEventListeners } from 'node:events';
import { expect, test } from 'vitest';
import { probeOnce } from '../../probes/probeOnce.ts';
import { all, Unhealthy, type Probe } from '../../probes/probe.ts';
import { miss, never, pass, reason } from '../fixtures/probes/looks.ts';

const hang: Probe = () => new Promise(() => {});
const timers = () => process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length;

test('a probe that hangs and ignores its signal is a miss', async () => {
  expect(await reason(hang, 5)).toBe('no answer within 5 ms');
});

test('the probe is told that its time is up', async () => {
  let told: unknown;
  const probe: Probe = (signal) =>
    new Promise((_resolve, reject) => {
      signal.addEventListener('abort', () => {
        told = signal.reason;
        reject(signal.reason);
      });
    });
  const error = await miss(probe, 5);
  expect(told).toBe(error);
});

test("an abort ends the look at once with the signal's own reason", async () => {
  const stop = new AbortController();
  const why = new Error('stopping');
  const looking = probeOnce(hang, 60_000, stop.signal);
  stop.abort(why);
  await expect(looking).rejects.toBe(why);
  await expect(probeOnce(hang, 60_000, stop.signal)).rejects.toBe(why);
});

test('what a probe rejects with becomes the reason, and is kept as the cause', async () => {
  const thrown = new Error('too bad');
  const error = await miss(() => Promise.reject(thrown));
  expect(error.message).toBe('too bad');
  expect(error.cause).toBe(thrown);
  // eslint-disable-next-line typescript/prefer-promise-reject-errors -- someone else's probe may
  expect(await reason(() => Promise.reject('a text'))).toBe('a text');
});

test('an Unhealthy stays the one it is', async () => {
  const own = new Unhealthy('not yet');
  expect(await miss(() => Promise.reject(own))).toBe(own);
});

test.each([new TypeError('x is not a function'), new ReferenceError('y is not defined')])(
  'a mistake in the probe itself is not a miss: %s',
  async (mistake) => {
    await expect(probeOnce(() => Promise.reject(mistake), 1000, never())).rejects.toBe(mistake);
    const throwing: Probe = () => {
      throw mistake;
    };
    await expect(probeOnce(throwing, 1000, never())).rejects.toBe(mistake);
  },
);

test('leaves no timer and no listener behind, however it ends', async () => {
  const before = timers();
  const { signal } = new AbortController();
  await probeOnce(() => Promise.resolve(), Infinity, signal);
  await probeOnce(() => Promise.reject(new Error('no')), 60_000, signal).catch(() => {});
  await probeOnce(hang, 1, signal).catch(() => {});
  expect(getEventListeners(signal, 'abort')).toHaveLength(0);
  expect(timers()).toBe(before);
});

test('all: passes when each does, looks in order, stops at the first miss', async () => {
  const seen: string[] = [];
  const step = (name: string, outcome: 'ok' | 'no'): Probe => {
    return () => {
      seen.push(name);
      return outcome === 'ok' ? Promise.resolve() : Promise.reject(new Unhealthy(`${name} is not`));
    };
  };
  await pass(all(step('a', 'ok'), step('b', 'ok')));
  expect(await reason(all(step('c', 'ok'), step('d', 'no'), step('e', 'ok')))).toBe('d is not');
  expect(seen).toEqual(['a', 'b', 'c', 'd']);
});
