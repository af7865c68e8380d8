import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { imageBinaries, nodeBinaries } from '../../src/install/find/binaries.ts';
import type { BinarySpec } from '../../src/install/find/binaries.ts';

const image = join(import.meta.dirname, '../../image');
const text = async (file: string): Promise<string> => readFile(join(image, file), 'utf8');
const binaries: readonly BinarySpec[] = [...nodeBinaries, ...imageBinaries];

test('the image contains every Debian package that a node and its smoke test need', async () => {
  const packages = (await text('packages')).trim().split('\n');
  const needed = new Set(binaries.flatMap(({ debianPackage }) => debianPackage ?? []));
  expect([...needed].filter((name) => !packages.includes(name))).toEqual([]);
});

test('the Dockerfile downloads every component that is not in Debian', async () => {
  const [, names = ''] = /for name in ([^;]+);/.exec(await text('Dockerfile')) ?? [];
  const needed = binaries.filter(({ debianPackage }) => debianPackage === undefined).map(({ name }) => name);
  expect(names.split(' ').toSorted()).toEqual(needed.toSorted());
});

test('the image keeps every CNI plugin that a node needs', async () => {
  const kept = [...(await text('prune')).matchAll(/! -name ([\w-]+)(?= .*-delete$)/gm)].map(
    ([, name]) => name,
  );
  const needed = binaries.find(({ name }) => name === 'cni')?.files ?? [];
  expect(kept).toEqual(expect.arrayContaining([...needed]));
});
