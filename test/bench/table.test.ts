import { expect, test } from 'vitest';
import { formatValue } from '../../bench/row.ts';
import { tables } from '../../bench/table.ts';

const rows = [
  { row: 'cold: first pod Ready', contestant: 'ours', unit: 'ms', values: [7000, 9000, 8000], goal: 9000 },
  { row: 'cold: first pod Ready', contestant: 'theirs', unit: 'ms', values: [16_000] },
  { row: 'cold: ended', contestant: 'ours', unit: '', values: [1], goal: 0 },
  { row: 'kill -9: of etcd', contestant: 'ours', unit: 'ms', values: [250] },
  { row: 'kill -9: of etcd', contestant: 'theirs', unit: 'ms', values: [Infinity] },
];

test('a table for each section: medians, ratios, goals, and nothing where nothing was measured', () => {
  expect(tables(rows)).toBe(`\
| cold            |   ours |         theirs |        goal |
| --------------- | -----: | -------------: | ----------: |
| first pod Ready | 8.00 s | 16.00 s (2.00) | 9.00 s: met |
| ended           |      1 |                |   0: missed |

| kill -9 |   ours | theirs |
| ------- | -----: | -----: |
| of etcd | 250 ms |  never |
`);
});

test('a row without a section is its own', () => {
  expect(tables([{ row: 'down', contestant: 'ours', unit: 'ms', values: [1] }])).toContain('| down | 1 ms |');
});

test.each([
  [0.1234, 'ms', '0.12 ms'],
  [12.34, 'MB', '12.3 MB'],
  [999.6, 'ms', '1000 ms'],
  [1234, 'ms', '1.23 s'],
  [3, '', '3'],
  [Infinity, 'ms', 'never'],
  [NaN, 'ms', '?'],
])('%d in %s reads %s', (value, unit, text) => {
  expect(formatValue(value, unit)).toBe(text);
});
