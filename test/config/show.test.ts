import { expect, test } from 'vitest';
import { parseConfig } from '../../src/config/yaml/parseConfig.ts';
import { maskedConfig, maskedConfigYaml } from '../../src/config/show.ts';

test('the output is a config: loading it gives the same config', async () => {
  const text = `
name: shown
timeouts: { boot: 90s }
components:
  web:
    command: [server, '\${node.ip}', '$\${LITERAL}']
    needs: [{ on: db, whenLost: restart }]
    ready: { http: { url: 'http://127.0.0.1/', status: 204 }, timeout: 1500ms }
    restart: { delay: 1s, window: 2m }
    stop: { signal: INT, grace: 3s }
  db: { task: true, ready: { all: [{ tcp: 80 }, { file: /tmp/x, timeout: 1s }] } }
`;
  const config = parseConfig(text, 'c.yaml');
  const again = parseConfig(await maskedConfigYaml(config), 'c.yaml');
  expect({ node: again.node, components: again.components }).toEqual({
    node: config.node,
    components: config.components,
  });
});

test('durations are shown in the notation of the file', () => {
  const config = parseConfig(
    'components: { a: { command: [a], timeout: 90s, live: { tcp: 1, period: 250ms } } }',
    'c.yaml',
  );
  expect(maskedConfig(config)).toMatchObject({
    timeouts: { boot: '5m' },
    components: { a: { timeout: '1m30s', live: { period: '250ms' } } },
  });
});

test('secrets are masked everywhere', async () => {
  const env = { DB_PASSWORD: 'hunter2', HARMLESS: 'visible' };
  const text = `
components:
  a:
    command: [a, '--dsn=db:\${env:DB_PASSWORD}', '\${env:HARMLESS}', '--api-token=abc', 'x://me:pw@host/']
    env: { API_KEY: geheim-17, LOG_LEVEL: info, COPY: 'not geheim-17', SECRET: '' }
    ready: { http: { url: 'http://127.0.0.1/', headers: { Authorization: Bearer 123 } } }
`;
  const shown = await maskedConfigYaml(parseConfig(text, 'c.yaml', { env }));
  for (const secret of ['hunter2', 'abc', 'me:pw', 'geheim', '123']) expect(shown).not.toContain(secret);
  expect(maskedConfig(parseConfig(text, 'c.yaml', { env }))).toMatchObject({
    components: {
      a: {
        command: ['a', '--dsn=db:***', 'visible', '--api-token=***', 'x://me:***@host/'],
        env: { API_KEY: '***', LOG_LEVEL: 'info', COPY: 'not ***', SECRET: '***' },
      },
    },
  });
});

test('secret flags with a separate value are masked, paths of key files are not', () => {
  const text = `
components:
  a: { command: [a, --auth-token, geheim-17, --tls-private-key-file=/etc/a.key, --token-file, /etc/token] }
  b: { command: 'b --password geheim-18 --verbose', shell: true }
`;
  expect(maskedConfig(parseConfig(text, 'c.yaml'))).toMatchObject({
    components: {
      a: {
        command: [
          'a',
          '--auth-token',
          '***',
          '--tls-private-key-file=/etc/a.key',
          '--token-file',
          '/etc/token',
        ],
      },
      b: { command: 'b --password *** --verbose' },
    },
  });
});
