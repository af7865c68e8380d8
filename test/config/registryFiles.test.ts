import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeEach, describe, expect, it, vi } from 'vitest';
import { parseConfig } from '../../src/config/yaml/parseConfig.ts';
import { maskedConfigYaml } from '../../src/config/show.ts';
import { maskerOf } from '../../src/config/secrets.ts';
import { reasonOf } from '../../src/lib/errors.ts';
import { loadNodeConfig } from '../../src/supervisor/options.ts';
import { cli, tempDir } from '../support/cli.ts';
import { madePki } from '../support/pki.ts';

/** A config in a folder with certificates and credentials. */
async function folder(registry: string) {
  const { pki } = await madePki();
  const dir = await tempDir('registries');
  const auth = Buffer.from('me:in-docker').toString('base64');
  const files = {
    login: 'me:one-line\n',
    nonsense: 'no login, but a s3cret',
    'broken.json': '{ "auths": s3cret',
    'config.json': JSON.stringify({
      auths: {
        'registry.example.com': { auth },
        'https://index.docker.io/v1/': { identitytoken: 'of-the-hub' },
        'kept.example.com': {},
      },
      credHelpers: { 'kept.example.com': 'pass' },
    }),
    'not-a.pem': 'x',
    'cut.pem': '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n',
  };
  for (const [name, text] of Object.entries(files)) await writeFile(join(dir, name), text);
  const file = join(dir, 'c.yaml');
  const known = { CA: pki.ca.cert, CERT: pki.admin.cert, KEY: pki.admin.key, OTHER: pki.kubelet.key };
  const text = Object.entries(known).reduce((whole, [name, path]) => whole.replaceAll(name, path), registry);
  await writeFile(file, `registries:\n  ${text}\n`);
  return { dir, file, pki };
}

/** The line without the path of the folder. */
async function problem(registry: string): Promise<string> {
  const { dir, file, pki } = await folder(registry);
  const failure = await loadNodeConfig({ config: file }).catch((error: unknown) => error);
  expect(failure).toMatchObject({ code: 'usage' });
  return reasonOf(failure)
    .replaceAll(`${dir}/`, '')
    .replaceAll(pki.admin.cert, 'CERT')
    .replaceAll(pki.kubelet.key, 'OTHER');
}

beforeEach(() => {
  vi.stubEnv('DOCKER_CONFIG', undefined);
});

describe('a config is refused for', () => {
  it.each([
    ['r.example: { ca: none.pem }', '2:20: registries.r.example.ca: cannot read none.pem: ENOENT'],
    ['r.example: { ca: not-a.pem }', '2:20: registries.r.example.ca: not-a.pem has no certificate (PEM)'],
    [
      'r.example: { ca: cut.pem }',
      '2:20: registries.r.example.ca: cut.pem has a certificate that cannot be read',
    ],
    ['r.example: { cert: CERT }', '2:22: registries.r.example.cert: it needs its key: set key'],
    ['r.example: { cert: CERT, key: not-a.pem }', ': not-a.pem has no private key (PEM)'],
    ['r.example: { cert: CERT, key: OTHER }', ': OTHER is not the key of CERT'],
    ['r.example: { credentials: none }', '2:29: registries.r.example.credentials: cannot read none'],
    ['r.example: { credentials: nonsense }', 'nonsense is neither one line USER:PASSWORD nor'],
    ['r.example: { credentials: broken.json }', 'broken.json is not valid JSON'],
    [
      'r.example: { credentials: config.json }',
      'config.json has no login for r.example: docker login r.example',
    ],
    ['kept.example.com: { credentials: config.json }', 'to docker-credential-pass, which is not asked'],
    ['r.example: { mirrors: r.example }', '2:25: registries.r.example.mirrors.0: expected a URL'],
    ['r.example: { mirrors: "https://a:b@r.example" }', 'expected a URL'],
    [
      'r.example: { upstream: false }',
      'registries.r.example.upstream: without mirrors nothing is left to ask',
    ],
    ['https://r.example: {}', '2:3: registries.https://r.example: expected a host with at most a port'],
    ['"*": { ca: CA }', '"*" has mirrors alone: set ca for a host'],
    ['"*": {}', '"*" without mirrors has no effect'],
  ])('%s', async (registry, message) => {
    const line = await problem(registry);
    expect(line).toContain(message);
    expect(line).not.toContain('s3cret');
  });
});

it.each([
  ['r.example: { credentials: login }', 'one-line'],
  ['registry.example.com: { credentials: config.json }', 'in-docker'],
  ['docker.io: { credentials: config.json }', 'of-the-hub'],
  ['docker.io: { credentials: docker }', 'of-the-hub'],
])('the password of %s is masked and not shown', async (registry, password) => {
  const { dir, file } = await folder(registry);
  vi.stubEnv('DOCKER_CONFIG', dir);
  const config = await loadNodeConfig({ config: file });
  const [resolved] = Object.values(config.node.registries);
  expect(resolved?.credentials?.startsWith(`${dir}/`)).toBe(true);
  expect(await maskedConfigYaml(config)).not.toContain(password);
  const mask = await maskerOf(config);
  const encoded = Buffer.from(`me:${password}`).toString('base64');
  expect(mask(`error: Basic ${password}!`)).toBe('error: Basic ***!');
  if (password !== 'of-the-hub') expect(mask(`auth ${encoded}`)).toBe('auth ***');
});

it('a node without a port, with one, in IPv6, and all others have registries', () => {
  const hosts = ['localhost', 'localhost:5000', '192.0.2.1:5000', '[2001:db8::1]:5000', 'docker.io'];
  const text = hosts.map((host) => `  "${host}": { mirrors: ["https://m.example"] }`).join('\n');
  expect(Object.keys(parseConfig(`registries:\n${text}`, 'c.yaml').node.registries)).toEqual(hosts);
});

it('config check names the line', async () => {
  const { file } = await folder('r.example: { ca: none.pem }');
  const { exitCode, stderr } = await cli(['config', 'check', '--config', file]);
  expect(exitCode).toBe(2);
  expect(stderr).toContain(`${file}:2:20: registries.r.example.ca: cannot read`);
});
