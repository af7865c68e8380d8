import { describe, expect, it } from 'vitest';
import { styleFor } from '../../../src/observe/terminal/style.ts';
import { formatBytes, formatMs, oneLine, padEnd, truncate, width } from '../../../src/lib/text/text.ts';

describe('text', () => {
  it.each([
    [-5, '0.0 s'],
    [49, '0.0 s'],
    [450, '0.5 s'],
    [59_949, '59.9 s'],
    [59_950, '1 m 00 s'],
    [125_000, '2 m 05 s'],
    [3_599_700, '1 h 00 m'],
    [11_220_000, '3 h 07 m'],
    [187_200_000, '2 d 04 h'],
  ])('%i ms is %s', (ms, text) => {
    expect(formatMs(ms)).toBe(text);
  });

  it.each([
    [0, '0 B'],
    [1023, '1023 B'],
    [1536, '1.5 KiB'],
    [327_155_712, '312 MiB'],
    [2 ** 52, '4096 TiB'],
  ])('%i bytes are %s', (bytes, text) => {
    expect(formatBytes(bytes)).toBe(text);
  });

  it('is put on one safe line', () => {
    expect(oneLine('a\u001b[31mb\u001b[0m\r\n\tc\u0007\u009bd ')).toBe('ab c d');
  });

  it.each([
    ['abc', 3],
    ['✓…→', 3],
    ['日本', 4],
    ['e\u0301', 1],
    ['🚀', 2],
  ])('%s is %i wide', (text, columns) => {
    expect(width(text)).toBe(columns);
  });

  it.each([
    ['abcdef', 6, 'abcdef'],
    ['abcdef', 5, 'abcd…'],
    ['日本語', 5, '日本…'],
    ['日本語', 4, '日…'],
    ['ab cdef', 4, 'ab…'],
    ['abc', 0, ''],
    ['abc', -3, ''],
  ])('%s in %i columns is %s', (text, columns, cut) => {
    expect(truncate(text, columns)).toBe(cut);
  });

  it('is padded by the columns that it occupies', () => {
    expect(padEnd('日本', 6)).toBe('日本  ');
  });
});

describe('colour', () => {
  it.each([
    [true, {}, true],
    [false, {}, false],
    [true, { NO_COLOR: '1' }, false],
    [true, { NO_COLOR: '' }, true],
    [false, { FORCE_COLOR: '1' }, true],
    [true, { FORCE_COLOR: '0' }, false],
    [true, { TERM: 'dumb' }, false],
    [true, { NO_COLOR: '1', FORCE_COLOR: '1' }, false],
  ])('on a terminal: %s, with %o: %s', (isTTY, env, coloured) => {
    expect(styleFor({ isTTY }, env)('red', 'x')).toBe(coloured ? '\u001b[31mx\u001b[39m' : 'x');
  });
});
