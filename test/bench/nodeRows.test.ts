import { expect, test } from 'vitest';
import { nodeRows } from '../../bench/nodeRows.ts';
import type { Sample } from '../../bench/session.ts';

const names = {
  competitors: ['ours', 'script', 'other'],
  ours: 'ours',
  supervisord: 'other',
};

const boot = (pod: number) => ({
  apiserver: 1000,
  node: 2000,
  account: 2500,
  pod,
  failedSpawns: 0,
  firstProcess: 10,
});
const ideal = { apiserver: 900, node: 1800, pod: 2700, overhead: 100, engine: 40, all: 1900 };

const samples: Sample[] = [
  {
    competitor: 'ours',
    restarts: true,
    round: 0,
    cold: { ...boot(3000), ideal },
    down: 500,
    recovery: { 'kill -9: of etcd': 700 },
  },
  { competitor: 'script', restarts: false, round: 0, cold: boot(10_000), down: 600 },
  {
    competitor: 'other',
    restarts: true,
    round: 0,
    cold: boot(5000),
    recovery: { 'kill -9: of etcd': Infinity },
  },
];
const rows = nodeRows(samples, names);
const valuesOf = (row: string) =>
  rows.flatMap((each) => (each.row === row ? [[each.competitor, ...each.values]] : []));

test('the critical path follows our own values', () => {
  expect(valuesOf('cold: first pod Ready')).toEqual([
    ['ours', 3000],
    ['critical path', 2700],
    ['script', 10_000],
    ['other', 5000],
  ]);
});

test('the overhead is shown in ms and as a share of the boot', () => {
  expect(valuesOf('cold: added to the critical path')).toEqual([['ours', 100]]);
  expect(valuesOf('cold: the same, of the whole boot')).toEqual([['ours', 5]]);
});

test('a competitor that restarts nothing never recovers', () => {
  expect(valuesOf('kill -9: of etcd, until all is ready again')).toEqual([
    ['ours', 700],
    ['script', Infinity],
    ['other', Infinity],
  ]);
});

test('the goals of a cold start are multiples of what another one takes', () => {
  const goalOf = (row: string) => rows.find((each) => each.row === row)?.goal;
  expect(goalOf('cold: first pod Ready')).toEqual({ times: 0.8, of: 'other' });
  expect(goalOf('cold: node Ready')).toEqual({ times: 1, of: 'other' });
});

test('a part that was not measured has no rows', () => {
  expect(rows.filter(({ row }) => row.startsWith('warm'))).toEqual([]);
  expect(valuesOf('down: until all is gone')).toEqual([
    ['ours', 500],
    ['script', 600],
  ]);
});
