import { expect, test } from 'vitest';
import { kinds } from '../../../probes/kinds/parseProbe.ts';
import { parseConfig } from '../../../src/config/yaml/parse.ts';
import { probeOf } from '../../../src/config/components/probeOf.ts';

const never = new AbortController().signal;

function probe(yaml: string) {
  const { components } = parseConfig(`components: { a: { command: [a], ready: ${yaml} } }`, 'c.yaml');
  return probeOf(components['a']?.ready ?? {}, { env: { WHO: 'me' } });
}

test.each(Object.entries(kinds))('a config knows the kind %s of the command line', (kind, { example }) => {
  const target = kind === 'exec' ? example.split(' ') : example;
  expect(probe(JSON.stringify({ [kind]: target }))).toBeTypeOf('function');
});

test('a command runs in the environment of its component', async () => {
  await expect(probe("{ exec: [sh, -c, 'test $WHO = me'] }")(never)).resolves.toBeUndefined();
});

test('all are looked at, and the first reason counts', async () => {
  const both = probe("{ all: [{ exec: ['true'] }, { file: /nowhere/a }, { file: /nowhere/b }] }");
  await expect(both(never)).rejects.toThrow('/nowhere/a does not exist');
});

test('a look has the time that the config gives it', async () => {
  await expect(probe('{ exec: [sleep, 100], timeout: 20ms }')(never)).rejects.toThrow(
    'no answer within 20 ms',
  );
});
