import { readFile } from 'node:fs/promises';
import { expect, test } from 'vitest';
import { configWithoutFile, loadConfig } from '../../src/config/loadConfig.ts';
import { componentSchema } from '../../src/config/schema/componentSpec.ts';
import { jsonSchema } from '../../src/config/schema/configSchema.ts';
import { nodeShape } from '../../src/config/schema/node.ts';
import { parseConfig } from '../../src/config/yaml/parseConfig.ts';
import { restartDefaults, stopDefaults } from '../../src/engine/component.ts';

const file = 'config/default.yaml';

test('default.yaml has the default of every setting', async () => {
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
  const [settings = '', example = ''] = (await readFile(file, 'utf8')).split(/^components:$/m);
  const { components } = parseConfig(`${settings}components:\n${example.replaceAll(/^#/gm, '')}`, file);
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

test('schema.json is up to date (npm run schema)', async () => {
  expect(JSON.parse(await readFile('config/schema.json', 'utf8'))).toEqual(jsonSchema());
});

test('schema.json describes every key', () => {
  const missing: string[] = [];
  const visit = (schema: object, path: string): void => {
    for (const [keyword, value] of Object.entries(schema)) {
      if (typeof value !== 'object' || value === null) continue;
      visit(value, `${path}/${keyword}`);
      if (keyword !== 'properties') continue;
      for (const [key, property] of Object.entries(value as Record<string, object>))
        if (!('description' in property)) missing.push(`${path}/${key}`);
    }
  };
  visit(jsonSchema(), '');
  expect(missing).toEqual([]);
});
