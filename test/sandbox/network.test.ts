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
    expect(all('default', routes('default'), { exclude: ['172.30.0.0/16'] })[0]?.nodeIp).toMatch(/^10\.30\./);
  });

  test('takes another range if a route covers the first', () => {
    expect(all('default', routes('172.16.0.0/12'))[0]?.nodeIp).toMatch(/^10\.30\.\d+\.2$/);
  });

  test('takes the two halves of a default route, or smaller parts, for one', () => {
    for (const parts of [
      ['0.0.0.0/1', '128.0.0.0/1'],
      ['0.0.0.0/2', '64.0.0.0/2', '128.0.0.0/3', '160.0.0.0/5'],
    ])
      expect(all('default', routes(...parts))[0]).toEqual(first('default'));
  });

  test('takes a subnet in a large network when such networks cover all, but none in a small one', () => {
    const office = ['10.0.0.0/8', '172.16.0.0/12', '192.168.0.0/16'];
    expect(all('default', routes(...office))[0]).toEqual(first('default'));
    expect(all('default', routes(...office, '172.30.0.0/16'))[0]?.nodeIp).toMatch(/^10\.30\./);
    const docker = routes(...office, '172.30.0.0/17', '172.30.128.0/17', '10.30.0.0/17', '10.30.128.0/17');
    expect(all('default', docker)[0]?.nodeIp).toMatch(/^192\.168\./);
    const all24 = ['172.30', '10.30', '192.168'].flatMap((pool) =>
      Array.from({ length: 256 }, (_, i) => `${pool}.${i}.0/24`),
    );
    expect(all('default', routes(...office, ...all24))).toEqual([]);
  });

  test('leaves out the gateways of routes, and large routes of tables that may come before the main one', () => {
    const { hostIp = '' } = first('default') ?? {};
    const via = JSON.stringify([{ dst: 'default', gateway: hostIp }]);
    expect(all('default', via)[0]?.hostIp).not.toBe(hostIp);
    const other = JSON.stringify([{ dst: '172.16.0.0/12', table: '52' }]);
    expect(all('default', other).some(({ nodeIp }) => nodeIp.startsWith('172.'))).toBe(false);
  });

  test('offers the subnets of a range that is chosen, whatever network covers it', () => {
    const covered = routes('0.0.0.0/1', '10.0.0.0/8', '10.9.8.0/24');
    expect(all('a', covered, { nodeSubnet: '10.9.8.4/30' })).toEqual([
      { interface: 'k8s-0a090804', hostIp: '10.9.8.5', nodeIp: '10.9.8.6', cidr: '10.9.8.4/30' },
    ]);
    const pool = all('a', covered, { nodeSubnet: '10.9.8.0/28' });
    expect(pool.map(({ hostIp }) => hostIp).toSorted()).toEqual([
      '10.9.8.1',
      '10.9.8.13',
      '10.9.8.5',
      '10.9.8.9',
    ]);
    // Another node, or an address of the host.
    expect(all('a', routes('10.9.8.4/30', '10.9.8.9'), { nodeSubnet: '10.9.8.0/28' })).toHaveLength(2);
  });

  test('leaves out the network of a cluster, also in a range that is chosen', () => {
    const cluster = JSON.stringify([{ dst: '10.9.8.0/24', dev: 'k8s-10-9-8' }]);
    expect(all('a', cluster, { nodeSubnet: '10.9.8.0/24' })).toEqual([]);
    expect(
      all('a', cluster, { nodeSubnet: '10.9.8.0/23' }).every(({ hostIp }) => hostIp.startsWith('10.9.9.')),
    ).toBe(true);
  });

  test('offers larger subnets, or the whole of a small range, that no route of the host overlaps', () => {
    const [plain] = all('a', routes(), { size: 256 });
    expect(plain).toEqual({ ...first('a'), cidr: expect.stringMatching(/^172\.30\.\d+\.0\/24$/) });
    const inside = plain!.hostIp.replace(/1$/, '200');
    expect(all('a', routes(inside), { size: 256 })[0]?.cidr).not.toBe(plain!.cidr);
    const chosen = { nodeSubnet: '10.9.8.0/28', size: 256 };
    expect(all('a', routes(), chosen).map(({ cidr }) => cidr)).toEqual(['10.9.8.0/28']);
    expect(all('a', routes('10.9.8.4/30'), chosen)).toEqual([]);
  });

  test('returns interface names that the kernel accepts, a different one for each subnet', () => {
    const names = [
      ...all('default', routes()),
      ...all('default', routes(), { nodeSubnet: '100.127.0.0/16' }),
    ].map((subnet) => subnet.interface);
    expect(Math.max(...names.map((name) => name.length))).toBeLessThanOrEqual(15);
    expect(new Set(names).size).toBe(names.length);
  });
});
