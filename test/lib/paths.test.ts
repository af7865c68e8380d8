import { userInfo } from 'node:os';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { cacheDir, homeDir, tempDir } from '../../src/lib/paths.ts';

beforeEach(() => void vi.stubEnv('XDG_CACHE_HOME', undefined));
afterEach(() => vi.unstubAllEnvs());

it.each([undefined, '', 'relative'])(
  'a HOME that is no absolute path (%s) is that of the user database',
  (home) => {
    vi.stubEnv('HOME', home);
    expect(homeDir()).toBe(userInfo().homedir);
    expect(cacheDir()).toBe(`${userInfo().homedir}/.cache/k8s-single`);
  },
);

it('the cache folder is that of XDG_CACHE_HOME, unless it is relative', () => {
  vi.stubEnv('HOME', '/home/a').stubEnv('XDG_CACHE_HOME', '/srv/cache');
  expect(cacheDir()).toBe('/srv/cache/k8s-single');
  vi.stubEnv('XDG_CACHE_HOME', 'cache');
  expect(cacheDir()).toBe('/home/a/.cache/k8s-single');
});

it.each([
  ['/var/tmp', '/var/tmp'],
  ['/none/of/these', '/tmp'],
  ['var', '/tmp'],
  ['', '/tmp'],
])('temporary files: with TMPDIR=%s in %s', (given, folder) => {
  vi.stubEnv('TMPDIR', given);
  expect(tempDir()).toBe(folder);
});
