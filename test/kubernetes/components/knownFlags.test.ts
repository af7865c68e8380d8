import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { knownFlags } from '../../../src/kubernetes/components/flags.ts';
import { tempDir } from '../../support/cli.ts';

async function program() {
  const dir = await tempDir('flags');
  const file = join(dir, 'program');
  await writeFile(file, '#!/bin/sh\necho asked >> "$0.asked"\necho "  --own-flag  what it does"\n', {
    mode: 0o755,
  });
  const asked = async (): Promise<number> => (await readFile(`${file}.asked`, 'utf8')).split('\n').length - 1;
  return { file, cache: join(dir, 'cache'), asked };
}

test.each(['', '["own-fl', 'null', '{}', '[1]'])('a cache of flags with %j is made anew', async (content) => {
  const { file, cache, asked } = await program();
  await knownFlags(file, cache);
  const [name = ''] = await readdir(join(cache, 'flags'));
  await writeFile(join(cache, 'flags', name), content);
  expect([...(await knownFlags(file, cache))]).toEqual(['own-flag']);
  expect(await readFile(join(cache, 'flags', name), 'utf8')).toBe('["own-flag"]');
  expect([...(await knownFlags(file, cache))]).toEqual(['own-flag']);
  expect(await asked()).toBe(2);
});

test('without a cache that can be written, the program is asked each time', async () => {
  const { file, cache } = await program();
  await writeFile(cache, 'a file');
  expect([...(await knownFlags(file, cache))]).toEqual(['own-flag']);
});
