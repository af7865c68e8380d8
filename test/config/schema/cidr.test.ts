import { expect, test } from 'vitest';
import { contains, firstAddress, nthAddress, overlap, parseCidr } from '../../../src/config/schema/cidr.ts';
import type { Cidr } from '../../../src/config/schema/cidr.ts';

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

test('knows its addresses', () => {
  expect(nthAddress(cidr('10.0.0.0/24'), 10)).toBe('10.0.0.10');
  expect(nthAddress(cidr('10.0.0.248/29'), 10)).toBeUndefined();
  expect(firstAddress('192.168.255.0/24')).toBe('192.168.255.1');
  expect(contains(cidr('10.0.0.0/24'), '10.0.0.255')).toBe(true);
  expect(contains(cidr('10.0.0.0/24'), '10.0.1.0')).toBe(false);
});

test.each(['', '10.0.0.0', '10.0.0.0/33', '10.0.0/24', '10.0.0.0/24/1', 'fd00::/64', '10.0.0.0/-1'])(
  '%j is no range',
  (text) => {
    expect(parseCidr(text)).toBe('expected an IPv4 range like 10.0.0.0/24');
  },
);

test('says where a range begins that was written with an address inside it', () => {
  expect(parseCidr('10.0.0.1/24')).toBe('10.0.0.1/24 starts inside the range: write 10.0.0.0/24');
});
