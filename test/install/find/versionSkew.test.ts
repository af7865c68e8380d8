import { expect, test } from 'vitest';
import { isOf } from '../../../src/install/find/versionSkew.ts';

test.each([
  ['1.20.2', '1.20'],
  ['1.20.2', '1.20.2'],
  ['1.20.2', 'v1.20.2'],
  ['1.36.2', '1.36'],
])('%s is what is meant by %s', (version, wanted) => {
  expect(isOf(version, wanted)).toBe(true);
});

test.each([
  ['1.20.2', '1.2'],
  ['1.20.2', '1.20.20'],
  ['1.20.20', '1.20.2'],
  ['1.20.2', '1.19'],
])('%s is not what is meant by %s', (version, wanted) => {
  expect(isOf(version, wanted)).toBe(false);
});
