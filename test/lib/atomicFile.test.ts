import { mkdir, readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { expect, test } from 'vitest';
import {
  createFileAtomicallySync,
  moveInto,
  writeFileAtomically,
  writeFileAtomicallySync,
} from '../../src/lib/atomicFile.ts';
import { tempDir } from '../support/cli.ts';

const writers = [
  { name: 'writeFileAtomically', write: writeFileAtomically },
  {
    name: 'writeFileAtomicallySync',
    write: async (...args: Parameters<typeof writeFileAtomically>) => writeFileAtomicallySync(...args),
  },
];

test.for(writers)('$name replaces content and mode', async ({ write }) => {
  const dir = await tempDir('atomic');
  const file = join(dir, 'file');
  await writeFile(file, 'old', { mode: 0o644 });
  await write(file, 'new', { mode: 0o600 });
  expect(await readFile(file, 'utf8')).toBe('new');
  expect((await stat(file)).mode & 0o777).toBe(0o600);
  expect(await readdir(dir)).toEqual(['file']);
});

test.for(writers)('$name leaves no temporary file when it fails', async ({ write }) => {
  const dir = await tempDir('atomic');
  // A folder with something in it cannot be replaced.
  await mkdir(join(dir, 'file', 'below'), { recursive: true });
  await expect(write(join(dir, 'file'), 'new')).rejects.toThrow(/EISDIR|ENOTEMPTY/);
  expect(await readdir(dir)).toEqual(['file']);
});

test('a file that is created once keeps the content of the first writer', async () => {
  const dir = await tempDir('atomic');
  const file = join(dir, 'file');
  createFileAtomicallySync(file, 'first', { mode: 0o600 });
  createFileAtomicallySync(file, 'second', { mode: 0o644 });
  expect(await readFile(file, 'utf8')).toBe('first');
  expect((await stat(file)).mode & 0o777).toBe(0o600);
  expect(await readdir(dir)).toEqual(['file']);
});

test('a folder is moved into the place of another without removing anything of it first', async () => {
  const dir = await tempDir('atomic');
  const [target, folder] = [join(dir, 'set/v1'), join(dir, 'made')];
  for (const file of ['target/kept', 'target/cni/bridge']) await put(join(dir, 'set/v1', file), 'old');
  // Of the other kind.
  await put(join(target, 'program/below'), 'foreign');
  await put(join(target, 'lib'), 'foreign');
  for (const file of ['target/cni/bridge', 'program', 'lib/new']) await put(join(folder, file), 'new');
  await moveInto(target, folder);
  const text = async (file: string): Promise<string> => readFile(join(target, file), 'utf8');
  expect(await text('target/kept')).toBe('old');
  for (const file of ['target/cni/bridge', 'program', 'lib/new']) expect(await text(file)).toBe('new');
  expect(await readdir(dir)).toEqual(['set']);
});

async function put(file: string, text: string): Promise<void> {
  await mkdir(dirname(file), { recursive: true });
  await writeFile(file, text);
}
