import { expect, test } from 'vitest';
import { kinds } from '../../../probes/kinds/parseProbe.ts';
import { parseConfig } from '../../../src/config/yaml/parseConfig.ts';
import { buildProbe } from '../../../src/config/components/buildProbe.ts';

const never = new AbortController().signal;

function probe(yaml: string) {
  const { components } = parseConfig(`components: { a: { command: [a], ready: ${yaml} } }`, 'c.yaml');
  return buildProbe(components['a']?.ready ?? {}, async () => ({ env: { WHO: 'me' } }));
}

test.each(Object.entries(kinds))('a config has the kind %s of the command line', (kind, { example }) => {
  const target = kind === 'exec' ? example.split(' ') : example;
  expect(probe(JSON.stringify({ [kind]: target }))).toBeTypeOf('function');
});

test('a command runs in the environment of its component', async () => {
  await expect(probe("{ exec: [sh, -c, 'test $WHO = me'] }")(never)).resolves.toBeUndefined();
});

test('all probes run, and the first failure is reported', async () => {
  const both = probe("{ all: [{ exec: ['true'] }, { file: /nowhere/a }, { file: /nowhere/b }] }");
  await expect(both(never)).rejects.toThrow('/nowhere/a does not exist');
});

test('an attempt has the timeout of the config', async () => {
  await expect(probe('{ exec: [sleep, 100], timeout: 20ms }')(never)).rejects.toThrow(
    'no answer within 20 ms',
  );
});
