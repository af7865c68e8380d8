import { mkdtemp, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { configWithoutFile } from '../../../src/config/yaml/withoutFile.ts';
import { componentSchema } from '../../../src/config/schema/componentSpec.ts';
import { jsonSchema } from '../../../src/config/schema/jsonSchema.ts';
import { loadConfig } from '../../../src/config/yaml/load.ts';
import { parseConfig } from '../../../src/config/yaml/parse.ts';
import { nodeShape } from '../../../src/config/schema/node.ts';
import { restartDefaults, stopDefaults } from '../../../src/engine/component.ts';
import type { Failure } from '../../../src/lib/errors.ts';

const file = 'config/default.yaml';

test('default.yaml is the defaults', async () => {
  const { node, components } = await loadConfig(file);
  expect({ node, components }).toEqual({ node: (await configWithoutFile()).node, components: {} });
});

test('default.yaml has every key, and a comment before each', async () => {
  const lines = (await readFile(file, 'utf8')).split('\n');
  for (const key of [...Object.keys(nodeShape), 'components']) {
    const index = lines.findIndex((line) => line.startsWith(`${key}:`));
    expect(index, key).toBeGreaterThan(0);
    expect(lines.slice(index - 1, index + 2).join('\n'), key).toContain('#');
  }
});

test('the example of a component has every key, with the default where there is one', async () => {
  const [knobs = '', example = ''] = (await readFile(file, 'utf8')).split(/^components:$/m);
  const { components } = parseConfig(`${knobs}components:\n${example.replaceAll(/^#/gm, '')}`, file);
  const spec = components['example'];
  expect(Object.keys(spec ?? {}).sort()).toEqual(Object.keys(componentSchema.shape).sort());
  expect(spec?.restart).toEqual({
    when: restartDefaults.when,
    onFailure: restartDefaults.onFailure,
    delay: restartDefaults.delayMs,
    maxDelay: restartDefaults.maxDelayMs,
    resetAfter: restartDefaults.resetAfterMs,
    maxFailures: restartDefaults.maxFailures,
    window: restartDefaults.windowMs,
  });
  expect(spec?.stop).toEqual({ signal: stopDefaults.signal, grace: stopDefaults.graceMs });
});

test('schema.json is fresh (npm run schema)', async () => {
  expect(JSON.parse(await readFile('config/schema.json', 'utf8'))).toEqual(jsonSchema());
});

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

  test('that is not there', async () => {
    expect(await refusal('gone')).toEqual(
      refused(`ENOENT: no such file or directory, open '${join(dir, 'gone')}'`),
    );
  });

  test('that is a folder', async () => {
    expect(await refusal('')).toEqual(refused('it is a folder'));
  });

  test('of a gigabyte is not read to its end', async () => {
    await writeFile(join(dir, 'large'), '');
    await truncate(join(dir, 'large'), 1024 ** 3);
    expect(await refusal('large')).toEqual(refused('it is larger than 2 MiB'));
  });

  test('that is no text', async () => {
    await writeFile(join(dir, 'program'), Buffer.from([0x7f, 0x45, 0x4c, 0x46, 0xff, 0xfe]));
    expect(await refusal('program')).toEqual(refused('it is not text in UTF-8'));
  });

  test('with a byte order mark is as if it had none', async () => {
    await writeFile(join(dir, 'bom.yaml'), '\uFEFFname: A');
    expect(await refusal('bom.yaml')).toMatchObject({ message: expect.stringMatching(/^FILE:1:7: name: /) });
  });
});
