import { readFile } from 'node:fs/promises';
import { expect, test } from 'vitest';
import { componentSchema } from '../../src/config/componentSpec.ts';
import { jsonSchema } from '../../src/config/jsonSchema.ts';
import { loadConfig, parseConfig } from '../../src/config/load.ts';
import { nodeShape } from '../../src/config/node.ts';
import { restartDefaults, stopDefaults } from '../../src/component.ts';

const file = 'config/default.yaml';

test('default.yaml is the defaults', async () => {
  const { node, components } = await loadConfig(file);
  expect({ node, components }).toEqual({ node: parseConfig('', undefined).node, components: {} });
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
    givenUp: restartDefaults.givenUp,
    delay: restartDefaults.delayMs,
    maxDelay: restartDefaults.maxDelayMs,
    resetAfter: restartDefaults.resetAfterMs,
    budget: restartDefaults.budget,
    window: restartDefaults.budgetWindowMs,
  });
  expect(spec?.stop).toEqual({ signal: stopDefaults.signal, grace: stopDefaults.graceMs });
});

test('schema.json is fresh (npm run schema)', async () => {
  expect(JSON.parse(await readFile('config/schema.json', 'utf8'))).toEqual(jsonSchema());
});

test('a file that cannot be read says why', async () => {
  await expect(loadConfig('/nowhere/c.yaml')).rejects.toMatchObject({
    code: 'usage',
    message:
      "cannot read the config /nowhere/c.yaml: ENOENT: no such file or directory, open '/nowhere/c.yaml'",
  });
  await expect(loadConfig('/dev/zero')).rejects.toThrow(
    'cannot read the config /dev/zero: it is larger than 2 MiB',
  );
});
