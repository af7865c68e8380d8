import { chmod, copyFile, mkdir, open, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeEach, expect, test } from 'vitest';
import { findBinaries } from '../../../src/install/find/find.ts';
import { tempDir } from '../../support/cli.ts';

const tool = { name: 'tool', ask: ['--version'] };
const plugins = { name: 'plugins', ask: [], files: ['one', 'two'] };

let dir: string;
let dirs: { binDirs: string[]; path: string; cacheDirs: string[] };

beforeEach(async () => {
  dir = await tempDir('find');
  for (const name of ['bin', 'path', 'cache']) await mkdir(join(dir, name));
  dirs = { binDirs: [join(dir, 'bin')], path: join(dir, 'path'), cacheDirs: [join(dir, 'cache')] };
});

const script = async (...path: string[]) => {
  await writeFile(join(dir, ...path), '#!/bin/sh\n', { mode: 0o755 });
};

test('a bin-dir comes before PATH, PATH before the cache', async () => {
  expect(findBinaries({ ...dirs, needs: [tool] }).missing).toEqual([tool]);
  for (const [place, from] of [
    ['cache', 'cache'],
    ['path', 'path'],
    ['bin', 'bin-dir'],
  ] as const) {
    await script(place, 'tool');
    const { found, missing } = findBinaries({ ...dirs, needs: [tool] });
    expect(found.get('tool')).toEqual({ path: join(dir, place, 'tool'), from });
    expect(missing).toEqual([]);
  }
});

test('PATH can be passed over for one need', async () => {
  await script('path', 'tool');
  await script('cache', 'tool');
  const { found } = findBinaries({ ...dirs, needs: [tool], notFromPath: new Set(['tool']) });
  expect(found.get('tool')?.from).toBe('cache');
});

test('plugins are found only where all of them lie together', async () => {
  await script('bin', 'one');
  await script('path', 'two');
  await mkdir(join(dir, 'cache', 'plugins'));
  for (const name of plugins.files) await script('cache', 'plugins', name);
  const { found } = findBinaries({ ...dirs, needs: [plugins] });
  expect(found.get('plugins')).toEqual({ path: join(dir, 'cache', 'plugins'), from: 'cache' });
});

test('what is not executable is refused in a bin-dir, and passed over in PATH as a shell does', async () => {
  await script('path', 'tool');
  await chmod(join(dir, 'path', 'tool'), 0o644);
  expect(findBinaries({ ...dirs, needs: [tool] }).missing).toEqual([tool]);
  await script('bin', 'tool');
  await chmod(join(dir, 'bin', 'tool'), 0o644);
  const file = join(dir, 'bin', 'tool');
  expect(() => findBinaries({ ...dirs, needs: [tool] })).toThrow(
    expect.objectContaining({
      code: 'install',
      message: `${file} is not executable`,
      hint: `chmod +x ${file}`,
    }),
  );
});

test('a program for another architecture is refused by its name', async () => {
  const file = join(dir, 'bin', 'tool');
  await copyFile('/bin/true', file);
  const handle = await open(file, 'r+');
  await handle.write(Buffer.from([22, 0]), 0, 2, 18);
  await handle.close();
  expect(() => findBinaries({ ...dirs, needs: [tool] })).toThrow(
    expect.objectContaining({
      code: 'install',
      message: `${file} is for s390x, this machine is ${process.arch}`,
    }),
  );
});

test('what is no program at all is refused by its name', async () => {
  const file = join(dir, 'path', 'tool');
  await writeFile(file, 'not found\n', { mode: 0o755 });
  expect(() => findBinaries({ ...dirs, needs: [tool] })).toThrow(
    expect.objectContaining({
      code: 'install',
      message: `${file} is no program: neither ELF nor a script`,
      hint: `remove ${file}`,
    }),
  );
});

test('what must be static is passed over where it is not', async () => {
  const need = { ...tool, static: true } as const;
  await copyFile('/bin/true', join(dir, 'path', 'tool'));
  expect(findBinaries({ ...dirs, needs: [need] }).missing).toEqual([need]);
  await copyFile('/sbin/ldconfig', join(dir, 'cache', 'tool'));
  expect(findBinaries({ ...dirs, needs: [need] }).found.get('tool')?.from).toBe('cache');
});

test.each([
  ['missing', 'does not exist'],
  ['tool', 'is not a folder'],
])('a bin-dir that is %s is a mistake of usage', async (name, reason) => {
  await script('tool');
  const binDir = join(dir, name);
  expect(() => findBinaries({ ...dirs, binDirs: [binDir] })).toThrow(
    expect.objectContaining({
      code: 'usage',
      message: `--bin-dir ${binDir} ${reason}`,
    }),
  );
});
