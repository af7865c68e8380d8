import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { execa } from 'execa';
import { expect, test } from 'vitest';
import { tempDir } from '../support/cli.ts';

const project = join(import.meta.dirname, '../..');

test('each run of image/program creates newer files: BuildKit identifies them by size and age alone', async () => {
  const target = join(await tempDir('program'), 'program');
  const layOut = async () => execa('sh', ['image/program', target], { cwd: project });
  const ages = async () => {
    const files = await readdir(target, { recursive: true });
    return Promise.all(files.map(async (file) => (await stat(join(target, file))).mtimeMs));
  };
  await layOut();
  const newest = Math.max(...(await ages()));
  await layOut();
  const again = await ages();
  expect(again.length).toBeGreaterThan(10);
  expect(Math.min(...again)).toBeGreaterThan(newest);
});
