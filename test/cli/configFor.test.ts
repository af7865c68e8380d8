import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { configFor } from '../../src/cli/options.ts';
import type { UpOptions } from '../../src/cli/options.ts';
import { tempDir } from '../support/cli.ts';

const options: UpOptions = { install: true, source: 'auto', output: 'auto' };

it('lets the etcd of a node that is thrown away not wait for the disk, whatever the config says', async () => {
  const config = join(await tempDir('config'), 'c.yaml');
  await writeFile(config, 'etcd: { fsync: true }\n');
  expect((await configFor({ ...options, config })).node.etcd.fsync).toBe(true);
  expect((await configFor({ ...options, config, throwAway: true })).node.etcd.fsync).toBe(false);
});

it('looks for images from the folder of the config', async () => {
  const dir = await tempDir('config');
  const config = join(dir, 'c.yaml');
  await writeFile(config, 'images: [app.tar, ../layout, /a/b.tar]\n');
  const { images } = (await configFor({ ...options, config })).node;
  expect(images).toEqual([join(dir, 'app.tar'), join(dir, '../layout'), '/a/b.tar']);
});
