import { expect, test } from 'vitest';
import { serverHost } from '../../../src/config/schema/serverUrl.ts';

test.each([
  ['https://127.0.0.1:16443', '127.0.0.1'],
  ['https://build.example/', 'build.example'],
  ['https://[fd00::1]:6443', 'fd00::1'],
  ['http://127.0.0.1:6443', undefined],
  ['https://127.0.0.1:6443/api', undefined],
  ['https://me@127.0.0.1', undefined],
  ['127.0.0.1:6443', undefined],
  ['', undefined],
])('the host of %j is %j', (url, host) => {
  expect(serverHost(url)).toBe(host);
});
