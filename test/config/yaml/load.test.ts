import { expect, test } from 'vitest';
import { configWithoutFile } from '../../../src/config/yaml/withoutFile.ts';
import { resolveSettings } from '../../../src/config/schema/knobs.ts';
import { parseConfig } from '../../../src/config/yaml/parse.ts';

test('without a file everything is a default', async () => {
  const { node, components, file } = await configWithoutFile();
  expect(components).toEqual({});
  expect(file).toBeUndefined();
  expect(node.network).toEqual({
    podCidr: '10.244.0.0/24',
    serviceCidr: '10.0.0.0/24',
    dnsIp: '10.0.0.10',
    clusterDomain: 'cluster.local',
    apiserverPort: 6443,
    etcdPort: 4001,
    etcdPeerPort: 2380,
  });
  expect(node.timeouts.boot).toBe(300_000);
});

test('a file that says nothing is as if there were none', async () => {
  expect(parseConfig('', 'c.yaml').node).toEqual((await configWithoutFile()).node);
});

test.each([{}, { name: 'other', dataDir: '/srv/other' }, { listen: '127.0.0.1:9990' }])(
  'without a file it is as the schema has it: %j',
  async (set) => expect((await configWithoutFile(set)).node).toEqual(resolveSettings(set)),
);

test.each([{ name: 'No' }, { dataDir: 'relative' }])(
  'without a file a mistake is refused: %j',
  async (set) => {
    await expect(configWithoutFile(set)).rejects.toMatchObject({ code: 'usage' });
  },
);

test('a key without a value is as if it were not there', async () => {
  expect(parseConfig('network:\ndataDir: ~\ncomponents:\n', 'c.yaml').node).toEqual(
    (await configWithoutFile()).node,
  );
});

test('DNS is the tenth address of the service range', () => {
  expect(parseConfig('network: { serviceCidr: 10.96.0.0/12 }', 'c.yaml').node.network.dnsIp).toBe(
    '10.96.0.10',
  );
});

test('texts are what was written: 1.20 is not 1.2, and no is not false', () => {
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

test('anchors and merge keys save repetition', () => {
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

test('the command line counts instead of the file, for the facts, too', () => {
  const text = "name: file\ncomponents: { a: { command: [a, '${name}', '${paths.data}'] } }";
  const { node, components } = parseConfig(text, 'c.yaml', { set: { name: 'flag', dataDir: '/data' } });
  expect(node.name).toBe('flag');
  expect(components['a']?.command).toEqual(['a', 'flag', '/data']);
  expect(() => parseConfig(text, 'c.yaml', { set: { name: 'A B' } })).toThrow(
    'name: expected at most 40 lower-case letters, digits and dashes',
  );
});

test('Windows line ends are line ends', () => {
  const { node } = parseConfig('name: a\r\nkubelet:\r\n  maxPods: 5\r\n', 'c.yaml');
  expect(node).toMatchObject({ name: 'a', kubelet: { maxPods: 5 } });
});
