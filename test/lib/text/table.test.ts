import { describe, expect, it } from 'vitest';
import { table } from '../../../src/lib/text/table.ts';

const upper = (text: string): string => text.toUpperCase();

describe('a table', () => {
  const rows = [
    ['name', 'size', 'digest'],
    ['日本', '12', 'abc'],
    ['a', '', ''],
  ];

  it('aligns its columns by what they take on the screen, without trailing spaces', () => {
    expect(table(rows, { columns: [{}, { align: 'right' }] })).toEqual([
      'name  size  digest',
      '日本    12  abc',
      'a',
    ]);
    expect(table([])).toEqual([]);
  });

  it('keeps indent, gaps and the least widths', () => {
    const columns = [{ gap: 1 }, { minWidth: 6 }];
    expect(table([['x', 'ab', 'c']], { columns, indent: 2 })).toEqual(['  x ab      c']);
  });

  it('styles a cell with its padding', () => {
    const styled = [['ab', 'c'].map((text) => ({ text, style: upper })), ['abcd', 'e']];
    expect(table(styled)).toEqual(['AB    C', 'abcd  e']);
  });

  it.each([
    [18, 'name  size  digest'],
    [15, 'name  size  di…'],
    [12, 'name  size'],
    [8, 'name  s…'],
    [5, 'name'],
    [3, 'na…'],
    [0, ''],
  ])('is at most %i columns wide', (maxWidth, line) => {
    expect(table(rows, { maxWidth })[0]).toBe(line);
  });
});
