import { describe, expect, it } from 'vitest';
import type { ClusterNode } from '../../../src/helper/workers/node.ts';
import { freeRange } from '../../../src/helper/workers/ranges.ts';
import { routableNodes } from '../../../src/helper/workers/routes.ts';

describe('the range of a new node', () => {
  it('is the first that is free, as large as that of the control plane', () => {
    expect(freeRange('10.244.0.0/16', '10.244.0.0/24', ['10.244.0.0/24'])).toBe('10.244.1.0/24');
    expect(freeRange('10.244.0.0/16', '10.244.0.0/24', ['10.244.0.0/24', '10.244.2.0/24'])).toBe(
      '10.244.1.0/24',
    );
    expect(freeRange('10.0.0.0/8', '10.244.0.0/20', ['10.244.0.0/20'])).toBe('10.0.0.0/20');
  });

  it('overlaps no other, whatever their size', () => {
    expect(freeRange('10.244.0.0/16', '10.244.0.0/24', ['10.244.0.0/22'])).toBe('10.244.4.0/24');
  });

  it('is none if none is left', () => {
    expect(freeRange('10.244.0.0/24', '10.244.0.0/24', ['10.244.0.0/24'])).toBeUndefined();
    expect(freeRange('10.244.0.0/23', '10.244.0.0/24', ['10.244.0.0/24', '10.244.1.0/24'])).toBeUndefined();
  });
});

describe('there is a route to the pods of a node', () => {
  const node = (name: string, podCidr: string, internalIp = '192.0.2.1'): ClusterNode => ({
    namespace: '',
    name,
    podCidr,
    reservedCidr: '',
    annotations: {},
    isReady: true,
    taints: [],
    internalIp,
    addresses: [internalIp],
  });
  const own = node('own', '10.244.0.0/24');
  const routable = (...others: ClusterNode[]): string[] =>
    routableNodes([own, ...others], own, '10.244.0.0/16').map(({ name }) => name);

  it('that has a range and an address', () => {
    expect(routable(node('a', '10.244.1.0/24'), node('b', '10.244.2.0/24'))).toEqual(['a', 'b']);
    expect(routable(node('new', ''), node('lost', '10.244.3.0/24', ''))).toEqual([]);
  });

  it.each(['0.0.0.0/0', '10.244.0.0/16', '192.0.2.0/24', '10.244.0.128/25', 'x; reboot', '-4'])(
    'but not if it says that its range is %s',
    (range) => {
      expect(routable(node('bad', range))).toEqual([]);
    },
  );

  it('but not if another has the same range', () => {
    expect(routable(node('a', '10.244.1.0/24'), node('b', '10.244.1.0/25'))).toEqual([]);
  });

  it('but not by way of what is no address', () => {
    expect(routable(node('bad', '10.244.1.0/24', 'dev'))).toEqual([]);
  });
});
