import { expect, it } from 'vitest';
import { ForcedShutdown } from '../../../src/engine/supervise/forcedShutdown.ts';

it('aborts the signals of current and future waiters, but not of those that unsubscribed', () => {
  const shutdown = new ForcedShutdown();
  const [waiting, unsubscribed] = [shutdown.subscribe(), shutdown.subscribe()];
  unsubscribed.unsubscribe();
  const reason = new Error('stop requested twice');
  shutdown.force(reason);
  const late = shutdown.subscribe();
  expect([waiting, unsubscribed, late].map(({ signal }) => signal.aborted)).toEqual([true, false, true]);
  expect(late.signal.reason).toBe(reason);
});
