import { expect, it } from 'vitest';
import { Hurry } from '../../../src/engine/supervise/forcedShutdown.ts';

it('aborts the signals of all who wait and of who comes later, but not of who has left', () => {
  const hurry = new Hurry();
  const [waits, left] = [hurry.join(), hurry.join()];
  left.leave();
  const reason = new Error('asked twice');
  hurry.now(reason);
  const late = hurry.join();
  expect([waits, left, late].map(({ signal }) => signal.aborted)).toEqual([true, false, true]);
  expect(late.signal.reason).toBe(reason);
});
