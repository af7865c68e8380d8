import { expect, test } from 'vitest';
import { parseEnvFile } from '../../src/config/envFile.ts';

test.each([
  ['A=p#ss', 'p#ss'],
  ['A="p#ss"', 'p#ss'],
  ['A=p #comment', 'p'],
  ['A=p\t# comment', 'p'],
  ['A= # comment', ''],
  ['A=#p', '#p'],
  ['A=https://host/#/path#top', 'https://host/#/path#top'],
  ['A=a`b', 'a`b'],
  ["A=it's", "it's"],
  ['A="open', '"open'],
  ['A="say \\"x\\" for \\$5\\nC:\\\\dir \\d"', 'say "x" for $5\nC:\\dir \\d'],
  ["A='a\\nb \" # c' # d", 'a\\nb " # c'],
  ['A="first\nB=second"', 'first\nB=second'],
  ['A=p\r\nB=q\r\n', 'p'],
  ['\uFEFFA=p', 'p'],
])('%j', (text, value) => {
  expect(parseEnvFile(text)['A']).toBe(value);
});

test('comments, blanks, quotes, and lines that are no variable', () => {
  const text = `# comment
#C=1
  export D = 4  
not a variable
E=
 F='a
b'
G=x=y==
H="q" # comment
I=\`back\`

J=last`;
  const expected = { D: '4', E: '', F: 'a\nb', G: 'x=y==', H: 'q', I: 'back', J: 'last' };
  expect(parseEnvFile(text)).toEqual(expected);
});

test('a long line of blanks is read quickly', () => {
  const before = process.cpuUsage();
  expect(parseEnvFile(`A${' '.repeat(1_000_000)}B\nC${' \t'.repeat(500_000)}=1`)).toEqual({ C: '1' });
  const { user, system } = process.cpuUsage(before);
  expect(user + system).toBeLessThan(10_000_000);
});

test('a long value without an end is read quickly', () => {
  expect(parseEnvFile(`A="${'\\\\x '.repeat(50_000)}`)['A']).toHaveLength(199_999 + 1);
  expect(parseEnvFile(' '.repeat(100_000) + 'x')).toEqual({});
});
