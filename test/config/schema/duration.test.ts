import { expect, test } from 'vitest';
import { formatDuration, parseDuration } from '../../../src/config/schema/duration.ts';

test.each([
  ['300s', 300_000],
  ['1m30s', 90_000],
  ['500ms', 500],
  ['1.5h', 5_400_000],
  ['0', 0],
  ['0s', 0],
])('%s is %i ms', (text, ms) => {
  expect(parseDuration(text)).toBe(ms);
});

test.each([
  ['300', '"300" has no unit: write 300s or 300ms'],
  ['', '"" is not a duration: write one like 300s, 1m30s or 500ms'],
  ['-5s', '"-5s" is not a duration'],
  ['5 s', '"5 s" is not a duration'],
  ['5d', '"5d" is not a duration'],
  ['1000h', '"1000h" is too long: at most 24 days'],
])('%j is refused', (text, message) => {
  expect(() => parseDuration(text)).toThrow(
    expect.objectContaining({ code: 'usage', message: expect.stringContaining(message) }),
  );
});

test.each([0, 1, 999, 90_000, 3_661_001, 86_400_000])('%i ms survive being written and read', (ms) => {
  expect(parseDuration(formatDuration(ms))).toBe(ms);
});

test('is written in the largest units that fit', () => {
  expect(formatDuration(90_000)).toBe('1m30s');
});
