import { expect, it } from 'vitest';
import { ForcedShutdown } from '../../../src/engine/supervise/forcedShutdown.ts';

it('aborts the signals of all who wait and of who comes later, but not of who has left', () => {
  const hurry = new ForcedShutdown();
  const [waits, left] = [hurry.subscribe(), hurry.subscribe()];
  left.leave();
  const reason = new Error('asked twice');
  hurry.force(reason);
  const late = hurry.subscribe();
  expect([waits, left, late].map(({ signal }) => signal.aborted)).toEqual([true, false, true]);
  expect(late.signal.reason).toBe(reason);
});
