import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, rmdirSync, writeFileSync } from 'node:fs';
import { totalmem } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { hierarchies } from '../../src/host/cgroup/hierarchies.ts';
import { hasRoomForNode, isShort, memoryOfContainer, readMemory } from '../../src/pool/memory.ts';

const MiB = 1024 * 1024;
const hierarchy = hierarchies().find(
  ({ root, version, options }) => version === 2 || (options.includes('memory') && existsSync(root)),
)!;
const root = join(hierarchy.root, `k8s-single-test-${randomBytes(4).toString('hex')}`);
const { version } = hierarchy;

afterAll(() => rmdirSync(root));

test('what can be used of a container is what its cgroup may use and does not', () => {
  mkdirSync(root);
  expect(memoryOfContainer({ root, version })).toBeUndefined();
  writeFileSync(join(root, version === 1 ? 'memory.limit_in_bytes' : 'memory.max'), String(64 * MiB));
  expect(memoryOfContainer({ root, version })).toEqual({ total: 64 * MiB, available: 64 * MiB });
});

test('on a machine it is what that has available', () => {
  expect(readMemory().available).toBeGreaterThan(64 * MiB);
  expect(readMemory().available).toBeLessThan(totalmem());
});

// 256 MiB are the least that is left to others, a twentieth of a larger machine; a node takes 800 MiB.
test.each([
  [4096, 255, { isShort: true, hasRoom: false }],
  [4096, 256, { isShort: false, hasRoom: false }],
  [4096, 1312, { isShort: false, hasRoom: false }],
  [4096, 1313, { isShort: false, hasRoom: true }],
  [20_480, 1023, { isShort: true, hasRoom: false }],
  [20_480, 2848, { isShort: false, hasRoom: false }],
  [20_480, 2849, { isShort: false, hasRoom: true }],
])('of %i MiB, of which %i are available', (total, available, expected) => {
  const memory = { total: total * MiB, available: available * MiB };
  expect({ isShort: isShort(memory), hasRoom: hasRoomForNode(memory) }).toEqual(expected);
});
