import { describe, expect, test } from 'vitest';
import { freeSubnets } from '../../src/sandbox/network.ts';

/** Destinations in the format of `ip -json route`. */
const routes = (...destinations: string[]): string => JSON.stringify(destinations.map((dst) => ({ dst })));

const all = (...args: Parameters<typeof freeSubnets>) => [...freeSubnets(...args)];

const first = (name: string) => all(name, routes('default'))[0];

describe('freeSubnets', () => {
  test('returns the same first subnet for the same name, and others for other names', () => {
    expect(first('default')).toEqual(first('default'));
    expect(new Set(['a', 'b', 'c', 'd'].map((name) => first(name)?.nodeIp)).size).toBeGreaterThan(1);
  });

  test('skips subnets that a route overlaps', () => {
    const subnet = first('default');
    const base = subnet!.hostIp.slice(0, -1);
    for (const taken of [`${base}0/30`, `${base}2`, `${base}0/24`, `${base}3/32`]) {
      expect(all('default', routes(taken)).map(({ hostIp }) => hostIp)).not.toContain(subnet!.hostIp);
    }
  });

  test('skips excluded subnets', () => {
    expect(all('default', routes('default'), ['172.30.0.0/16'])[0]?.nodeIp).toMatch(/^10\.30\./);
  });

  test('takes another range if a route covers the first', () => {
    expect(all('default', routes('172.16.0.0/12'))[0]?.nodeIp).toMatch(/^10\.30\.\d+\.2$/);
    expect(all('default', routes('172.16.0.0/12', '10.0.0.0/8', '192.168.0.0/16'))).toEqual([]);
  });

  test('returns interface names that the kernel accepts, a different one for each subnet', () => {
    const names = all('default', routes()).map((subnet) => subnet.interface);
    expect(Math.max(...names.map((name) => name.length))).toBeLessThanOrEqual(15);
    expect(new Set(names).size).toBe(names.length);
  });
});
