import { expect, test } from 'vitest';
import { idealTimes } from '../../bench/criticalPath.ts';

test('a stage is ready its own duration after the last of its needs', () => {
  const stages = [
    { name: 'node', needs: ['apiserver', { on: 'kubelet', whenLost: 'restart' as const }] },
    { name: 'apiserver', needs: ['etcd', 'pki'] },
    { name: 'etcd', needs: [] },
    { name: 'pki', needs: [] },
    { name: 'kubelet', needs: ['pki'] },
  ];
  const durations = new Map([
    ['etcd', 300],
    ['pki', 100],
    ['apiserver', 2000],
    ['kubelet', 5000],
    ['node', 50],
  ]);
  expect(Object.fromEntries(idealTimes(stages, durations))).toEqual({
    etcd: 300,
    pki: 100,
    apiserver: 2300,
    kubelet: 5100,
    node: 5150,
  });
});

test('a need with the condition started delays a stage only until it has started', () => {
  const stages = [
    { name: 'etcd', needs: [] },
    { name: 'apiserver', needs: ['etcd'] },
    { name: 'roles', needs: [{ on: 'apiserver', condition: 'started' as const }] },
  ];
  const durations = new Map([
    ['etcd', 300],
    ['apiserver', 2000],
    ['roles', 900],
  ]);
  expect(Object.fromEntries(idealTimes(stages, durations))).toEqual({
    etcd: 300,
    apiserver: 2300,
    roles: 1200,
  });
});

test('a stage without a duration adds nothing', () => {
  const stages = [
    { name: 'a', needs: [] },
    { name: 'b', needs: ['a'] },
  ];
  expect(idealTimes(stages, new Map([['a', 7]])).get('b')).toBe(7);
});
