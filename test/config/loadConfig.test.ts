import { mkdtemp, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { configWithoutFile, loadConfig } from '../../src/config/loadConfig.ts';
import { resolveSettings } from '../../src/config/schema/node.ts';
import type { Failure } from '../../src/lib/errors.ts';

test('without a file everything is a default', async () => {
  const { node, components, file } = await configWithoutFile();
  expect(components).toEqual({});
  expect(file).toBeUndefined();
  expect(node.network).toEqual({
    podCidr: '10.244.0.0/24',
    clusterCidr: '10.244.0.0/16',
    serviceCidr: '10.0.0.0/24',
    dnsIp: '10.0.0.10',
    clusterDomain: 'cluster.local',
    apiserverPort: 6443,
    etcdPort: 4001,
    etcdPeerPort: 2380,
  });
  expect(node.timeouts.boot).toBe(300_000);
});

test.each([{}, { name: 'other', dataDir: '/srv/other' }, { listen: '127.0.0.1:9990' }])(
  'without a file the settings are those of the schema: %j',
  async (overrides) => expect((await configWithoutFile(overrides)).node).toEqual(resolveSettings(overrides)),
);

test.each([{ name: 'No' }, { dataDir: 'relative' }])(
  'without a file an invalid override is refused: %j',
  async (overrides) => {
    await expect(configWithoutFile(overrides)).rejects.toMatchObject({ code: 'usage' });
  },
);

describe('a file', () => {
  let dir = '';
  beforeAll(async () => {
    dir = await mkdtemp(join(tmpdir(), 'k8s-single-config-'));
  });
  afterAll(async () => rm(dir, { recursive: true }));

  async function refusal(name: string): Promise<unknown> {
    const path = join(dir, name);
    return loadConfig(path).then(
      () => 'none',
      ({ code, message }: Failure) => ({ code, message: message.replace(path, 'FILE') }),
    );
  }

  const refused = (reason: string) => ({ code: 'usage', message: `cannot read the config FILE: ${reason}` });

  test('that does not exist', async () => {
    expect(await refusal('missing')).toEqual(
      refused(`ENOENT: no such file or directory, open '${join(dir, 'missing')}'`),
    );
  });

  test('that is a directory', async () => {
    expect(await refusal('')).toEqual(refused('it is a directory'));
  });

  test('of a gigabyte is not read to its end', async () => {
    await writeFile(join(dir, 'large'), '');
    await truncate(join(dir, 'large'), 1024 ** 3);
    expect(await refusal('large')).toEqual(refused('it is larger than 512 KiB'));
  });

  test('that is not text', async () => {
    await writeFile(join(dir, 'program'), Buffer.from([0x7f, 0x45, 0x4c, 0x46, 0xff, 0xfe]));
    expect(await refusal('program')).toEqual(refused('it is not UTF-8 text'));
  });

  test('with a byte order mark is read without it', async () => {
    await writeFile(join(dir, 'bom.yaml'), '\uFEFFname: A');
    expect(await refusal('bom.yaml')).toMatchObject({ message: expect.stringMatching(/^FILE:1:7: name: /) });
  });
});
