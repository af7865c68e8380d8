import { expect, test } from 'vitest';
import { configWithoutFile } from '../../../src/config/loadConfig.ts';
import { parseConfig } from '../../../src/config/yaml/parseConfig.ts';

test('an empty file means the defaults', async () => {
  expect(parseConfig('', 'c.yaml').node).toEqual((await configWithoutFile()).node);
});

test('a key without a value means the default', async () => {
  expect(parseConfig('network:\ndataDir: ~\ncomponents:\n', 'c.yaml').node).toEqual(
    (await configWithoutFile()).node,
  );
});

test('DNS is the tenth address of the service range', () => {
  expect(parseConfig('network: { serviceCidr: 10.96.0.0/12 }', 'c.yaml').node.network.dnsIp).toBe(
    '10.96.0.10',
  );
});

test('texts keep their spelling: 1.20 is not 1.2, and no is not false', () => {
  const { node, components } = parseConfig(
    'kubernetes: 1.20\ncomponents: { a: { command: [a, 1.10, no, 0x1f, null], env: { ON: yes } } }',
    'c.yaml',
  );
  expect(node.kubernetes).toBe('1.20');
  expect(components['a']).toMatchObject({ command: ['a', '1.10', 'no', '0x1f', 'null'], env: { ON: 'yes' } });
});

test('kubernetes: false means no node', () => {
  expect(parseConfig('kubernetes: false', 'c.yaml').node.kubernetes).toBe(false);
});

test('anchors and merge keys are supported', () => {
  const { components } = parseConfig(
    `components:
  one: &base
    command: [server]
    ready: { tcp: 8080 }
  two:
    <<: *base
    ready: { tcp: 8081 }
`,
    'c.yaml',
  );
  expect(components['two']).toMatchObject({ command: ['server'], ready: { tcp: '8081' } });
});

test('the command line overrides the file, also in references', () => {
  const text = "name: file\ncomponents: { a: { command: [a, '${name}', '${paths.data}'] } }";
  const { node, components } = parseConfig(text, 'c.yaml', { overrides: { name: 'flag', dataDir: '/data' } });
  expect(node.name).toBe('flag');
  expect(components['a']?.command).toEqual(['a', 'flag', '/data']);
  expect(() => parseConfig(text, 'c.yaml', { overrides: { name: 'A B' } })).toThrow(
    'name: expected at most 40 lower-case letters, digits and dashes',
  );
});

test('Windows line endings are supported', () => {
  const { node } = parseConfig('name: a\r\nkubelet:\r\n  maxPods: 5\r\n', 'c.yaml');
  expect(node).toMatchObject({ name: 'a', kubelet: { maxPods: 5 } });
});
