import { describe, expect, test } from 'vitest';
import { keyValues, shellWords } from '../../src/import/values.ts';

describe('a command line', () => {
  test.each([
    ['a  b\tc\nd', ['a', 'b', 'c', 'd']],
    [String.raw`'a b' "c d" e\ f`, ['a b', 'c d', 'e f']],
    [String.raw`"a\"b" "a\$b" 'a\b' a\b`, ['a"b', String.raw`a\$b`, String.raw`a\b`, 'ab']],
    [`--x="y z" '' a""b`, ['--x=y z', '', 'ab']],
    ['a;b | c && $HOME #d', ['a;b', '|', 'c', '&&', '$HOME', '#d']],
    ['', []],
  ])('%s', (text, words) => {
    expect(shellWords(text)).toEqual(words);
  });

  test.each(["a 'b", 'a "b', 'a\\'])('%s is refused', (text) => {
    expect(() => shellWords(text)).toThrow('unterminated quote or backslash');
  });
});

describe('key-value pairs', () => {
  test.each([
    ['A=1,B=2', { A: '1', B: '2' }],
    [`A="x, y",B='z'`, { A: 'x, y', B: 'z' }],
    ['A=/a:/b(c)', { A: '/a:/b(c)' }],
    ['A=${env:X}', { A: '${env:X}' }],
    ['', {}],
  ])('%s', (text, pairs) => {
    expect(keyValues(text)).toEqual(pairs);
  });

  test.each([
    ['A', 'expected KEY=value pairs with commas between them: A'],
    ['A=1;B=2,C', 'expected KEY=value pairs'],
    ['A="x', 'unterminated quote'],
  ])('%s is refused', (text, message) => {
    expect(() => keyValues(text)).toThrow(message);
  });
});
