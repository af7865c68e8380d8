import { expect, it } from 'vitest';
import { assertFits } from '../../src/supervisor/worker.ts';

const fits = (kubelet: string, kubernetes: string): boolean => {
  try {
    assertFits(kubelet, { kubernetes });
    return true;
  } catch {
    return false;
  }
};

it('a kubelet is no newer than its cluster, and at most two minor versions older, three since 1.28', () => {
  expect(
    ['1.21.0', '1.20.9', '1.19.1', '1.18.0', '1.17.17'].map((kubelet) => fits(kubelet, '1.20.2')),
  ).toEqual([false, true, true, true, false]);
  expect(['1.31.0', '1.27.4', '1.26.9'].map((kubelet) => fits(kubelet, '1.30.1'))).toEqual([
    false,
    true,
    false,
  ]);
  expect(() => assertFits('1.17.17', { kubernetes: '1.20.2' })).toThrow('is too old for the cluster');
  expect(() => assertFits('1.21.0', { kubernetes: '1.20.2' })).toThrow('is too new for the cluster');
});
