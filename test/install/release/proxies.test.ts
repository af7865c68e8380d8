import { expect, test } from 'vitest';
import { proxyFor } from '../../../src/install/release/proxies.ts';

const proxy = 'http://proxy:3128';
const through = (url: string, env: NodeJS.ProcessEnv) => proxyFor(new URL(url), env);

test.each([
  ['https://dl.k8s.io/x', { HTTPS_PROXY: proxy }, proxy],
  ['https://dl.k8s.io/x', { https_proxy: proxy, HTTPS_PROXY: 'http://other' }, proxy],
  ['https://dl.k8s.io/x', { HTTP_PROXY: proxy }, undefined],
  ['http://dl.k8s.io/x', { HTTP_PROXY: 'proxy:3128' }, proxy],
  ['https://dl.k8s.io/x', { ALL_PROXY: proxy }, proxy],
  ['https://dl.k8s.io/x', { HTTPS_PROXY: '' }, undefined],
  ['http://127.0.0.1:8080/x', { HTTP_PROXY: proxy }, undefined],
  ['http://localhost/x', { HTTP_PROXY: proxy }, undefined],
  ['http://[::1]/x', { HTTP_PROXY: proxy }, undefined],
])('%s with %j goes through %s', (url, env, expected) => {
  expect(through(url, env)).toBe(expected);
});

test.each([
  ['*', true],
  ['k8s.io', true],
  ['.k8s.io', true],
  ['*.k8s.io', true],
  ['dl.k8s.io', true],
  ['DL.K8S.IO', true],
  ['dl.k8s.io:443', true],
  ['dl.k8s.io:80', false],
  ['s.io', false],
  ['example.com, k8s.io', true],
  ['10.0.0.0/8', false],
  ['nonsense/x', false],
  ['', false],
])('NO_PROXY=%s excludes dl.k8s.io: %s', (noProxy, isExcluded) => {
  const env = { HTTPS_PROXY: proxy, NO_PROXY: noProxy };
  expect(through('https://dl.k8s.io/x', env)).toBe(isExcluded ? undefined : proxy);
});

test.each([
  ['10.0.0.0/8', 'https://10.1.2.3', true],
  ['10.0.0.0/8', 'https://11.1.2.3', false],
  ['10.1.2.3', 'https://10.1.2.3', true],
  ['10.1.2.3:8443', 'https://10.1.2.3:8443', true],
  ['10.1.2.3:8443', 'https://10.1.2.3', false],
  ['fd00::/8', 'https://[fd00::1]', true],
  ['fd00::1', 'https://[fd00::1]', true],
])('NO_PROXY=%s and %s: %s', (noProxy, url, isExcluded) => {
  expect(through(url, { HTTPS_PROXY: proxy, NO_PROXY: noProxy })).toBe(isExcluded ? undefined : proxy);
});
