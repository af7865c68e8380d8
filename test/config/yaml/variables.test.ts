import { expect, test } from 'vitest';
import { parseConfig } from '../../../src/config/yaml/parseConfig.ts';

function commandOf(word: string, env: Record<string, string> = {}): unknown {
  const text = `components: { a: { command: [a, ${JSON.stringify(word)}] } }`;
  const { components } = parseConfig(text, '/etc/k8s/c.yaml', { env, ip: '10.9.8.7' });
  return components['a']?.command?.[1];
}

test.each([
  ['--ip=${node.ip}', '--ip=10.9.8.7'],
  ['${node.name}/${network.dnsIp}', 'k8s-single/10.0.0.10'],
  ['${paths.kubeconfig}', '/var/lib/k8s-single/default/kubeconfig/admin.conf'],
  ['${config.dir}/app.js', '/etc/k8s/app.js'],
  ['${env:WHO}${env:WHO}', 'meme'],
  ['$${env:WHO} $HOME $', '${env:WHO} $HOME $'],
])('%s', (word, expected) => {
  expect(commandOf(word, { WHO: 'me' })).toBe(expected);
});

test('the value of a reference is not expanded again', () => {
  expect(commandOf('${env:TRICK}', { TRICK: '${node.ip}' })).toBe('${node.ip}');
});

test('a number can be a reference', () => {
  const { node } = parseConfig('network: { apiserverPort: "${env:PORT}" }', 'c.yaml', {
    env: { PORT: '7443' },
  });
  expect(node.network.apiserverPort).toBe(7443);
});

test.each([
  ['${node.ipp}', 'unknown reference ${node.ipp}; did you mean "node.ip"?'],
  ['${nonsense}', 'unknown reference ${nonsense}; known: env:NAME, name, node.name, node.ip,'],
  ['${env:WOH}', 'the environment variable WOH is not set; did you mean "WHO"?'],
  ['${node.ip', 'unterminated reference: write ${NAME}, or $${ for the text itself'],
])('%s is refused with its position', (word, message) => {
  expect(() => commandOf(word, { WHO: 'me' })).toThrow(`/etc/k8s/c.yaml:1:33: ${message}`);
});

test('settings can refer to the environment only', () => {
  expect(() => parseConfig('nodeName: "${node.ip}"', 'c.yaml')).toThrow(
    'c.yaml:1:11: unknown reference ${node.ip}: only ${env:NAME} can be used here',
  );
});
