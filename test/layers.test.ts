import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';

const root = join(import.meta.dirname, '..');

test('every folder of src/ is a layer, with a rule for what it may import', async () => {
  const { default: config } = (await import(join(root, 'oxlint.config.js'))) as {
    default: { overrides: { files: string[] }[] };
  };
  const ruled = new Set(config.overrides.flatMap(({ files }) => files));
  const folders = await readdir(join(root, 'src'));
  expect(folders.filter((folder) => !ruled.has(`src/${folder}/**`))).toEqual([]);
});
