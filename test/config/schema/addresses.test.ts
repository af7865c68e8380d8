import { describe, expect, test } from 'vitest';
import {
  contains,
  firstAddress,
  nthAddress,
  overlap,
  parseCidr,
  parseListen,
  serverHost,
} from '../../../src/config/schema/addresses.ts';
import type { Cidr } from '../../../src/config/schema/addresses.ts';
import { configWithoutFile } from '../../../src/config/loadConfig.ts';
import { parseConfig } from '../../../src/config/yaml/parseConfig.ts';

describe('a range', () => {
  function cidr(text: string): Cidr {
    const range = parseCidr(text);
    if (typeof range === 'string') throw new Error(range);
    return range;
  }

  test.each([
    ['10.0.0.0/24', '10.0.1.0/24', false],
    ['10.0.0.0/24', '10.0.0.128/25', true],
    ['10.0.0.128/25', '10.0.0.0/24', true],
    ['0.0.0.0/0', '255.255.255.255/32', true],
    ['10.0.0.0/24', '9.255.255.0/24', false],
  ])('%s and %s overlap: %s', (a, b, expected) => {
    expect(overlap(cidr(a), cidr(b))).toBe(expected);
  });

  test('has addresses', () => {
    expect(nthAddress(cidr('10.0.0.0/24'), 10)).toBe('10.0.0.10');
    expect(nthAddress(cidr('10.0.0.248/29'), 10)).toBeUndefined();
    expect(firstAddress('192.168.255.0/24')).toBe('192.168.255.1');
    expect(contains(cidr('10.0.0.0/24'), '10.0.0.255')).toBe(true);
    expect(contains(cidr('10.0.0.0/24'), '10.0.1.0')).toBe(false);
  });

  test.each(['10.0.0.1/32', 'nonsense'])('%s has no first address', (text) => {
    expect(() => firstAddress(text)).toThrow(`${text} has no usable address`);
  });

  test.each(['', '10.0.0.0', '10.0.0.0/33', '10.0.0/24', '10.0.0.0/24/1', 'fd00::/64', '10.0.0.0/-1'])(
    'is not %j',
    (text) => {
      expect(parseCidr(text)).toBe('expected an IPv4 range like 10.0.0.0/24');
    },
  );

  test('with host bits is refused with the correct range', () => {
    expect(parseCidr('10.0.0.1/24')).toBe('10.0.0.1/24 has host bits set: write 10.0.0.0/24');
  });
});

describe('a port to listen on', () => {
  test.each([
    ['127.0.0.1:9990', { host: '127.0.0.1', port: 9990 }],
    ['127.1.2.3:0', { host: '127.1.2.3', port: 0 }],
    ['localhost:65535', { host: '127.0.0.1', port: 65_535 }],
    ['[::1]:80', { host: '::1', port: 80 }],
  ])('%s is %j', (text, listen) => {
    expect(parseListen(text)).toEqual(listen);
  });

  test.each([
    '0.0.0.0:9990',
    '[::]:9990',
    '192.168.0.1:9990',
    '127.0.0.1',
    '9990',
    ':9990',
    '127.0.0.1:65536',
    '127.0.0.256:80',
    '127.evil.example:80',
  ])('%s is refused: only loopback addresses are allowed', async (text) => {
    expect(() => parseConfig(`listen: '${text}'`, 'c.yaml')).toThrow(
      'c.yaml:1:9: listen: expected a port on a loopback address, like 127.0.0.1:9990',
    );
    await expect(configWithoutFile({ listen: text })).rejects.toThrow('listen: expected a port');
  });

  test('is not there by default', async () => {
    expect((await configWithoutFile()).node.listen).toBeUndefined();
  });
});

test.each([
  ['https://127.0.0.1:16443', '127.0.0.1'],
  ['https://build.example/', 'build.example'],
  ['https://[fd00::1]:6443', 'fd00::1'],
  ['http://127.0.0.1:6443', undefined],
  ['https://127.0.0.1:6443/api', undefined],
  ['https://me@127.0.0.1', undefined],
  ['127.0.0.1:6443', undefined],
  ['', undefined],
])('the host of the server %j is %j', (url, host) => {
  expect(serverHost(url)).toBe(host);
});
