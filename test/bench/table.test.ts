import { expect, test } from 'vitest';
import { tables } from '../../bench/table.ts';

const rows = [
  { row: 'cold: first pod Ready', competitor: 'ours', unit: 'ms', values: [7000, 9000, 8000], goal: 9000 },
  { row: 'cold: first pod Ready', competitor: 'theirs', unit: 'ms', values: [16_000] },
  { row: 'cold: ended', competitor: 'ours', unit: '', values: [1], goal: 0 },
  { row: 'kill -9: of etcd', competitor: 'ours', unit: 'ms', values: [250] },
  { row: 'kill -9: of etcd', competitor: 'theirs', unit: 'ms', values: [Infinity] },
];

test('writes a table for each section, with medians, ratios and goals, and empty cells for missing values', () => {
  expect(tables(rows)).toBe(`\
| cold (3)        |   ours |         theirs |        goal |
| --------------- | -----: | -------------: | ----------: |
| first pod Ready | 8.00 s | 16.00 s (2.00) | 9.00 s: met |
| ended           |      1 |                |   0: missed |

| kill -9 (1) |   ours | theirs |
| ----------- | -----: | -----: |
| of etcd     | 250 ms |  never |
`);
});

test('a goal is a multiple of the median of another one, if that was measured', () => {
  const row = { row: 'cold: node Ready', unit: 'ms' };
  const goal = { times: 0.8, of: 'theirs' };
  const goalWith = (own: number, theirs: readonly number[]): string | undefined =>
    tables([
      { ...row, competitor: 'ours', values: [own], goal },
      { ...row, competitor: 'theirs', values: theirs },
    ])
      .split('\n')[2]
      ?.split('|')[4]
      ?.trim();
  expect(goalWith(80, [100])).toBe('0.8 of theirs: met');
  expect(goalWith(81, [90, 100, 1000])).toBe('0.8 of theirs: missed');
  expect(goalWith(80, [])).toBe('');
});

test('uses the name of a row without a section as the section', () => {
  expect(tables([{ row: 'down', competitor: 'ours', unit: 'ms', values: [1] }])).toMatch(
    /^\| down \(1\) .*\n.*\n\| down +\| 1 ms \|/,
  );
});
