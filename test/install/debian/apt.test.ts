import { execa } from 'execa';
import { expect, test } from 'vitest';
import { debianArch } from '../../../src/install/find/cacheLayout.ts';
import { minimalStatus, withSourcePackages } from '../../../src/install/debian/apt.ts';

const stanza = (name: string, fields: Record<string, string> = {}) =>
  Object.entries({
    Package: name,
    Status: 'install ok installed',
    Architecture: 'amd64',
    Version: '1',
    ...fields,
  })
    .map(([key, value]) => `${key}: ${value}`)
    .join('\n');

const namesIn = (status: string) => status.match(/(?<=^Package: ).+$/gm)?.sort();

test('the minimal status keeps the essential and required packages with their dependencies, and nothing else', () => {
  const status = [
    stanza('shell', { Essential: 'yes', 'Pre-Depends': 'libc (>= 2)' }),
    stanza('tools', { Priority: 'required', Depends: 'libtools:any (>= 1) | libother, virtual' }),
    stanza('libc', { Priority: 'optional', Depends: 'gcc-base' }),
    stanza('gcc-base', { Architecture: 'all' }),
    stanza('libtools'),
    stanza('editor', { Depends: 'libc' }),
    stanza('gone', { Essential: 'yes', Status: 'deinstall ok config-files' }),
    stanza('held', { Depends: 'what-is-not-there' }),
    stanza('foreign', { Priority: 'required', Architecture: 'i386' }),
  ].join('\n\n');
  expect(namesIn(minimalStatus(status, 'amd64'))).toEqual(['gcc-base', 'libc', 'libtools', 'shell', 'tools']);
});

test("the minimal status keeps what dpkg calls essential of this machine's packages", async () => {
  const { stdout } = await execa('cat', ['/var/lib/dpkg/status']);
  const query = ['-W', '-f', '${Essential} ${db:Status-Status} ${Package}\\n'];
  const essential = (await execa('dpkg-query', query)).stdout.match(/(?<=^yes installed ).+$/gm);
  expect(namesIn(minimalStatus(stdout, debianArch))).toEqual(expect.arrayContaining(essential ?? ['none']));
});

test('a one-line source gets a deb-src line with the same options', () => {
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

test('a deb822 source gets both types, and a disabled one stays disabled', () => {
  const text =
    'Types: deb\nURIs: http://example.test/debian\nEnabled: no\n\ntypes:  deb-src deb\nSuites: stable\n';
  expect(withSourcePackages('debian.sources', text)).toBe(
    'Types: deb deb-src\nURIs: http://example.test/debian\nEnabled: no\n\nTypes: deb deb-src\nSuites: stable\n',
  );
});
