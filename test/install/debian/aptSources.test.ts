import { expect, test } from 'vitest';
import { withSourcePackages } from '../../../src/install/debian/aptSources.ts';

test('a one-line source gets a deb-src line beside it, with its options', () => {
  const text = [
    '# deb http://example.test/old stable main',
    'deb [arch=amd64 signed-by=/k.gpg] http://example.test/debian stable main contrib',
    '  deb http://example.test/security stable-security main',
    'deb-src http://example.test/debian stable main',
    '',
  ].join('\n');
  expect(withSourcePackages('sources.list', text)).toBe(
    [
      '# deb http://example.test/old stable main',
      'deb [arch=amd64 signed-by=/k.gpg] http://example.test/debian stable main contrib',
      'deb-src [arch=amd64 signed-by=/k.gpg] http://example.test/debian stable main contrib',
      '  deb http://example.test/security stable-security main',
      'deb-src http://example.test/security stable-security main',
      'deb-src http://example.test/debian stable main',
      '',
    ].join('\n'),
  );
});

test('a deb822 source offers both types, and what is disabled stays so', () => {
  const text =
    'Types: deb\nURIs: http://example.test/debian\nEnabled: no\n\ntypes:  deb-src deb\nSuites: stable\n';
  expect(withSourcePackages('debian.sources', text)).toBe(
    'Types: deb deb-src\nURIs: http://example.test/debian\nEnabled: no\n\nTypes: deb deb-src\nSuites: stable\n',
  );
});
