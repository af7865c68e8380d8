import { lstatSync, readFileSync, statSync } from 'node:fs';
import { chmod, mkdir, readdir, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { execa } from 'execa';
import { expect, test } from 'vitest';
import { assertReplaceable, writeOutput } from '../../src/lib/outputFile.ts';
import { tempDir } from '../support/cli.ts';

async function folder(): Promise<string> {
  const dir = await tempDir('output');
  await execa('mknod', [join(dir, 'device'), 'c', '1', '3']);
  await execa('mkfifo', [join(dir, 'pipe')]);
  await mkdir(join(dir, 'folder'));
  await writeFile(join(dir, 'file'), 'old');
  await chmod(join(dir, 'file'), 0o640);
  for (const name of ['device', 'file']) await symlink(name, join(dir, `to-${name}`));
  await symlink('nothing', join(dir, 'to-nothing'));
  return dir;
}

test('only a file, a link to one, or nothing may be replaced', async () => {
  const dir = await folder();
  const isRefused = (name: string): boolean => {
    try {
      assertReplaceable(join(dir, name));
      return false;
    } catch (error) {
      expect(error).toMatchObject({
        code: 'usage',
        message: `cannot write ${join(dir, name)}: it is there, and no file`,
      });
      return true;
    }
  };
  expect((await readdir(dir)).filter(isRefused)).toEqual(['device', 'folder', 'pipe', 'to-device']);
  expect(isRefused('new')).toBe(false);
});

test('a text for the user replaces a file with its mode through a link, and goes into a device', async () => {
  const dir = await folder();
  for (const name of ['to-file', 'to-device', 'new']) await writeOutput(join(dir, name), 'text');
  expect(readFileSync(join(dir, 'file'), 'utf8')).toBe('text');
  expect(statSync(join(dir, 'file')).mode & 0o777).toBe(0o640);
  expect(readFileSync(join(dir, 'new'), 'utf8')).toBe('text');
  expect(lstatSync(join(dir, 'to-file')).isSymbolicLink()).toBe(true);
  expect(statSync(join(dir, 'device')).isCharacterDevice()).toBe(true);
});
