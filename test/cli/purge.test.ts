import { mkdir, readdir, writeFile } from 'node:fs/promises';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { cli, tempDir } from '../support/cli.ts';

it('down --purge removes what a node made and leaves what it found', async () => {
  const data = await tempDir('purge');
  for (const folder of ['etcd', 'pki', 'log']) await mkdir(join(data, folder));
  await writeFile(join(data, 'thesis.tex'), 'years of work');
  const { stderr } = await cli(['down', '--name', 'purge-test', '--data-dir', data, '--purge']);
  expect(await readdir(data)).toEqual(['thesis.tex']);
  expect(String(stderr)).toContain("as it is not the node's: thesis.tex");
});

it('down --purge removes the folder, too, when nothing else is in it', async () => {
  const data = join(await tempDir('purge'), 'node');
  await mkdir(join(data, 'etcd'), { recursive: true });
  await cli(['down', '--name', 'purge-test', '--data-dir', data, '--purge']);
  expect(existsSync(data)).toBe(false);
});
