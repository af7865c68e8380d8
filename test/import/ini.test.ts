import { expect, test } from 'vitest';
import { parseIni } from '../../src/import/ini.ts';

function options(text: string): Record<string, Record<string, string>> {
  return Object.fromEntries(
    parseIni(text, 'x.conf').map(({ name, options: found }) => [name, Object.fromEntries(found)]),
  );
}

// The results of Python's RawConfigParser in supervisord's configuration for the same texts.
test.each([
  ['[a]\nX = 1 ; c\ny: 2;3\n', { a: { x: '1', y: '2;3' } }],
  ['; c\n# c\n[a]\nx=1\n  two\n\n   three\n', { a: { x: '1\ntwo\n\nthree' } }],
  ['[a]\nx=1\n;  c\n  two', { a: { x: '1\ntwo' } }],
  ['[a]\n  x=1\n  y=2', { a: { x: '1', y: '2' } }],
  ['[a]\nx=1\n[b]\nx=2\n[a]\nx=3', { a: { x: '3' }, b: { x: '2' } }],
  ['[program:x]\nenv=A=1,B=2', { 'program:x': { env: 'A=1,B=2' } }],
])('%j', (text, expected) => {
  expect(options(text)).toEqual(expected);
});

test.each(['x=1', '[a]\nnothing', '[a]\n\n= 1'])('%j is refused with its line', (text) => {
  expect(() => options(text)).toThrow(`x.conf:${text.split('\n').length}: expected [section] or name=value`);
});
