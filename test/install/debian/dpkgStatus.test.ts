import { execa } from 'execa';
import { expect, test } from 'vitest';
import { debianArch } from '../../../src/install/find/cache.ts';
import { minimalStatus } from '../../../src/install/debian/dpkgStatus.ts';

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

test('the essential and required packages stay, with what they depend on, and nothing else', () => {
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

test("of this machine's packages it keeps what dpkg calls essential", async () => {
  const { stdout } = await execa('cat', ['/var/lib/dpkg/status']);
  const query = ['-W', '-f', '${Essential} ${db:Status-Status} ${Package}\\n'];
  const essential = (await execa('dpkg-query', query)).stdout.match(/(?<=^yes installed ).+$/gm);
  expect(namesIn(minimalStatus(stdout, debianArch))).toEqual(expect.arrayContaining(essential ?? ['none']));
});
