import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { loadNodeConfig } from '../../src/supervisor/options.ts';
import type { UpOptions } from '../../src/supervisor/options.ts';
import { tempDir } from '../support/cli.ts';

const options: UpOptions = { install: true, source: 'auto', output: 'auto' };

it('turns fsync of etcd off for an ephemeral node, whatever the config says', async () => {
  const config = join(await tempDir('config'), 'c.yaml');
  await writeFile(config, 'etcd: { fsync: true }\n');
  expect((await loadNodeConfig({ ...options, config })).node.etcd.fsync).toBe(true);
  expect((await loadNodeConfig({ ...options, config, ephemeral: true })).node.etcd.fsync).toBe(false);
});

it('resolves paths of images relative to the folder of the config', async () => {
  const dir = await tempDir('config');
  const config = join(dir, 'c.yaml');
  await writeFile(config, 'images: [app.tar, ../layout, /a/b.tar]\n');
  const { images } = (await loadNodeConfig({ ...options, config })).node;
  expect(images).toEqual([join(dir, 'app.tar'), join(dir, '../layout'), '/a/b.tar']);
});

describe('K8S_SINGLE_SERVER', () => {
  afterEach(() => vi.unstubAllEnvs());

  it('sets the URL of the API server, unless the config does', async () => {
    vi.stubEnv('K8S_SINGLE_SERVER', 'https://127.0.0.1:16443');
    expect((await loadNodeConfig(options)).node.network.server).toBe('https://127.0.0.1:16443');
    const config = join(await tempDir('config'), 'c.yaml');
    await writeFile(config, 'network: { server: "https://build.example" }\n');
    expect((await loadNodeConfig({ ...options, config })).node.network.server).toBe('https://build.example');
  });

  it('is refused if it is not a URL', async () => {
    vi.stubEnv('K8S_SINGLE_SERVER', '127.0.0.1:6443');
    await expect(loadNodeConfig(options)).rejects.toMatchObject({
      code: 'usage',
      message: 'K8S_SINGLE_SERVER is "127.0.0.1:6443": expected a URL like https://127.0.0.1:6443',
    });
  });
});
