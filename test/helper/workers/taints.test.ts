import { expect, it } from 'vitest';
import { withoutNotReady } from '../../../src/helper/workers/node.ts';

const notReady = { key: 'node.kubernetes.io/not-ready', effect: 'NoSchedule' };
const evicting = { ...notReady, effect: 'NoExecute', timeAdded: '2026-11-30T07:00:00Z' };
const cordoned = { key: 'node.kubernetes.io/unschedulable', effect: 'NoSchedule' };

it('removes both taints of a node that was not ready, and no other', () => {
  const taints = [notReady, cordoned, evicting];
  expect(withoutNotReady(taints)).toEqual([
    { op: 'test', path: '/spec/taints', value: taints },
    { op: 'replace', path: '/spec/taints', value: [cordoned] },
  ]);
});

it('changes nothing where there is neither', () => {
  expect(withoutNotReady([])).toBeUndefined();
  expect(withoutNotReady([cordoned])).toBeUndefined();
});
