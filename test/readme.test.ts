import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { parseConfig } from '../src/config/yaml/parse.ts';
import { importSupervisord } from '../src/import/supervisord.ts';
import { cli } from './support/cli.ts';

const readme = join(import.meta.dirname, '../README.md');

let dir = '';
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'k8s-single-readme-'));
});
afterAll(async () => rm(dir, { recursive: true }));

async function blocks(language: string, below = ''): Promise<string[]> {
  const text = await readFile(readme, 'utf8');
  const section = text.slice(text.indexOf(below));
  return [...section.matchAll(new RegExp(`^\`\`\`${language}\\n(.*?)^\`\`\``, 'gms'))].map(
    ([, block = '']) => block,
  );
}

test('every YAML block of the README is a config that is right', async () => {
  const configs = await blocks('yaml');
  expect(configs.length).toBeGreaterThanOrEqual(3);
  for (const [index, config] of configs.entries()) {
    const file = join(dir, `${index}.yaml`);
    await writeFile(file, config);
    const { exitCode, stderr } = await cli(['config', 'check', '--config', file]);
    expect(exitCode, `${config}\n${String(stderr)}`).toBe(0);
  }
});

test('the YAML of the script has its commands, word by word', async () => {
  const [script = ''] = await blocks('sh', '### From a sleep script');
  const [config = ''] = await blocks('yaml', '### From a sleep script');
  const commands = script.split('\n').filter((line) => line !== '' && !line.startsWith('sleep'));
  const { components } = parseConfig(config, 'README.md');
  expect(Object.values(components).map(({ command }) => command)).toEqual(
    commands.map((line) => line.replace(/ &$/, '').split(' ')),
  );
});

test('the YAML of the supervisord config is what the import makes of it, with needs and ready added', async () => {
  const [conf = ''] = await blocks('ini', '### From supervisord');
  const [config = ''] = await blocks('yaml', '### From supervisord');
  const file = join(dir, 'supervisord.conf');
  await writeFile(file, conf);
  const { yaml, notes } = await importSupervisord(file);
  expect(notes).toEqual([]);
  const shown = parseConfig(config, 'README.md').components;
  const imported = parseConfig(yaml, 'imported.yaml').components;
  expect(shown).toMatchObject(imported);
  const added = Object.entries(shown).map(([name, spec]) =>
    Object.keys(spec).filter((key) => !Object.hasOwn(imported[name] ?? {}, key)),
  );
  expect(added).toEqual([['ready'], ['needs', 'ready']]);
});
