import { expect, test } from 'vitest';
import { didYouMean, nearest } from '../../../src/lib/text/suggest.ts';

const known = ['command', 'components', 'needs', 'ready', 'live'];

test.each([
  ['commnd', 'command'],
  ['comand', 'command'],
  ['READY', 'ready'],
  ['raedy', 'ready'],
  ['need', 'needs'],
  ['lice', 'live'],
  ['zzz', undefined],
  ['', undefined],
])('nearest to %j is %j', (word, expected) => {
  expect(nearest(word, known)).toBe(expected);
});

test('is silent when nothing is near', () => {
  expect(didYouMean('needz', known)).toBe('; did you mean "needs"?');
  expect(didYouMean('banana', known)).toBe('');
});
