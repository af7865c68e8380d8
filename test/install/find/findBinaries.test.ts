import { chmod, copyFile, mkdir, open, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { execa } from 'execa';
import { beforeEach, expect, onTestFinished, test } from 'vitest';
import { findBinaries } from '../../../src/install/find/findBinaries.ts';
import { install } from '../../../src/install/install.ts';
import { tempDir } from '../../support/cli.ts';

const tool = { name: 'tool', versionArgs: ['--version'] };
const plugins = { name: 'plugins', versionArgs: [], files: ['one', 'two'] };

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
  expect(findBinaries({ ...dirs, binaries: [tool] }).missing).toEqual([tool]);
  for (const [place, from] of [
    ['cache', 'cache'],
    ['path', 'path'],
    ['bin', 'bin-dir'],
  ] as const) {
    await script(place, 'tool');
    const { found, missing } = findBinaries({ ...dirs, binaries: [tool] });
    expect(found.get('tool')).toEqual({ path: join(dir, place, 'tool'), from });
    expect(missing).toEqual([]);
  }
});

test('PATH can be passed over for one binary', async () => {
  await script('path', 'tool');
  await script('cache', 'tool');
  const { found } = findBinaries({ ...dirs, binaries: [tool], notFromPath: new Set(['tool']) });
  expect(found.get('tool')?.from).toBe('cache');
});

test('plugins are found only where all of them lie together', async () => {
  await script('bin', 'one');
  await script('path', 'two');
  await mkdir(join(dir, 'cache', 'plugins'));
  for (const name of plugins.files) await script('cache', 'plugins', name);
  const { found } = findBinaries({ ...dirs, binaries: [plugins] });
  expect(found.get('plugins')).toEqual({ path: join(dir, 'cache', 'plugins'), from: 'cache' });
});

test('a cache on a file system that is mounted with noexec is called so', async () => {
  const cache = join(dir, 'cache');
  await execa('mount', ['--no-mtab', '-t', 'tmpfs', '-o', 'noexec', 'tmpfs', cache]);
  onTestFinished(async () => void (await execa('umount', ['--no-mtab', cache])));
  await script('cache', 'tool');
  const failure = (path: string): unknown =>
    expect.objectContaining({
      code: 'install',
      message: `${path} cannot run: ${cache} is mounted with noexec`,
      hint: expect.stringContaining(`mount -o remount,exec ${cache}`) as string,
    });
  expect(() => findBinaries({ ...dirs, binaries: [tool] })).toThrow(failure(join(cache, 'tool')));
  // Before anything is built in it.
  const missing = install({ binDirs: [], path: '', cacheDir: join(cache, 'new'), binaries: [tool] });
  await expect(missing).rejects.toEqual(failure(join(cache, 'new')));
});

test('a file that is not executable is refused in a bin-dir, and skipped in PATH as by a shell', async () => {
  await script('path', 'tool');
  await chmod(join(dir, 'path', 'tool'), 0o644);
  expect(findBinaries({ ...dirs, binaries: [tool] }).missing).toEqual([tool]);
  await script('bin', 'tool');
  await chmod(join(dir, 'bin', 'tool'), 0o644);
  const file = join(dir, 'bin', 'tool');
  expect(() => findBinaries({ ...dirs, binaries: [tool] })).toThrow(
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
  expect(() => findBinaries({ ...dirs, binaries: [tool] })).toThrow(
    expect.objectContaining({
      code: 'install',
      message: `${file} is for s390x, this machine is ${process.arch}`,
    }),
  );
});

test('a file that is not a program is refused by its name', async () => {
  const file = join(dir, 'path', 'tool');
  await writeFile(file, 'not found\n', { mode: 0o755 });
  expect(() => findBinaries({ ...dirs, binaries: [tool] })).toThrow(
    expect.objectContaining({
      code: 'install',
      message: `${file} is not a program: neither ELF nor a script`,
      hint: `remove ${file}`,
    }),
  );
});

test('a binary that must be static is skipped where it is not', async () => {
  const binary = { ...tool, static: true } as const;
  await copyFile('/bin/true', join(dir, 'path', 'tool'));
  expect(findBinaries({ ...dirs, binaries: [binary] }).missing).toEqual([binary]);
  await copyFile('/sbin/ldconfig', join(dir, 'cache', 'tool'));
  expect(findBinaries({ ...dirs, binaries: [binary] }).found.get('tool')?.from).toBe('cache');
});

test.each([
  ['missing', 'does not exist'],
  ['tool', 'is not a folder'],
])('a bin-dir that is %s is a usage error', async (name, reason) => {
  await script('tool');
  const binDir = join(dir, name);
  expect(() => findBinaries({ ...dirs, binDirs: [binDir] })).toThrow(
    expect.objectContaining({
      code: 'usage',
      message: `--bin-dir ${binDir} ${reason}`,
    }),
  );
});
