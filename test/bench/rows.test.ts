import { expect, test } from 'vitest';
import { formatValue, median, withOthers } from '../../bench/rows.ts';

test('the median is the middle value, or the mean of the two middle ones', () => {
  expect(median([30, 1, 2])).toBe(2);
  expect(median([4, 1, 3, 2])).toBe(2.5);
  expect(median([])).toBeNaN();
});

test('the median is infinite if most values are', () => {
  expect(median([1, Infinity, Infinity])).toBe(Infinity);
  expect(median([Infinity, Infinity])).toBe(Infinity);
  expect(median([1, 2, Infinity])).toBe(2);
});

test.each([
  [0.1234, 'ms', '0.12 ms'],
  [12.34, 'MB', '12.3 MB'],
  [999.6, 'ms', '1000 ms'],
  [1234, 'ms', '1.23 s'],
  [3, '', '3'],
  [Infinity, 'ms', 'never'],
  [NaN, 'ms', '?'],
])('formats %d with the unit "%s" as %s', (value, unit, text) => {
  expect(formatValue(value, unit)).toBe(text);
});

test('a section that is measured again takes the place of what it was', () => {
  const rowOf = (row: string, value: number) => ({ row, competitor: 'ours', unit: 'ms', values: [value] });
  const earlier = [rowOf('cold: a', 1), rowOf('cold: b', 1), rowOf('down', 1)];
  const now = [rowOf('cold: a', 2)];
  expect(withOthers(now, earlier)).toEqual([earlier[2], ...now]);
});
