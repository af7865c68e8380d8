import { expect, it } from 'vitest';
import { proxyEnv } from '../../src/lib/proxyEnv.ts';

const loopback = 'localhost,127.0.0.1,127.0.0.0/8,::1';

it('is empty without a proxy', () => {
  expect(proxyEnv({ NO_PROXY: 'a', HTTP_PROXY: '' }, ['10.0.0.1'])).toEqual({});
});

it.each([
  [{ HTTPS_PROXY: 'p' }, `${loopback},10.0.0.1`],
  [{ http_proxy: 'p', NO_PROXY: 'a, .b' }, `a,.b,${loopback},10.0.0.1`],
  [{ ALL_PROXY: 'p', NO_PROXY: 'a', no_proxy: 'c,a,10.0.0.1' }, `a,c,10.0.0.1,${loopback}`],
  [{ HTTP_PROXY: 'p', no_proxy: '*' }, '*'],
])('adds to the exceptions of %j', (env, list) => {
  const { NO_PROXY: _upper, no_proxy: _lower, ...proxies } = env as NodeJS.ProcessEnv;
  expect(proxyEnv(env, ['10.0.0.1'])).toEqual({ ...proxies, NO_PROXY: list, no_proxy: list });
});
