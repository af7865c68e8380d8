import { expect, test } from 'vitest';
import { median } from '../../bench/statistics.ts';

test('the median is the middle, or the mean of the two in the middle', () => {
  expect(median([30, 1, 2])).toBe(2);
  expect(median([4, 1, 3, 2])).toBe(2.5);
  expect(median([])).toBeNaN();
});

test('what never came in most rounds never comes', () => {
  expect(median([1, Infinity, Infinity])).toBe(Infinity);
  expect(median([Infinity, Infinity])).toBe(Infinity);
  expect(median([1, 2, Infinity])).toBe(2);
});
