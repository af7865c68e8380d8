import { readFileSync } from 'node:fs';
import { createServer as createPlainServer } from 'node:http';
import { createServer } from 'node:https';
import { join } from 'node:path';
import { execa } from 'execa';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { authority, type Authority } from '../fixtures/probes/certificates.ts';
import { listen } from '../fixtures/probes/servers.ts';

const program = join(import.meta.dirname, '../../bin/k8s-single');

let ca: Authority;
beforeAll(() => {
  ca = authority();
});
afterAll(() => ca.remove());

async function probe(target: readonly [string, string], env: NodeJS.ProcessEnv = {}) {
  const none = { NODE_EXTRA_CA_CERTS: undefined, MALLOC_ARENA_MAX: undefined };
  return execa(program, ['probe', ...target], { env: { ...none, ...env }, stdin: 'ignore', reject: false });
}

/** An HTTPS server with a certificate of an unknown CA. */
async function secure(): Promise<string> {
  const { cert, key } = ca.leaf('server');
  const server = createServer({ cert: readFileSync(cert), key: readFileSync(key) }, (_request, response) => {
    response.end();
  });
  return `https://${(await listen(server)).at}/`;
}

describe('NODE_EXTRA_CA_CERTS', () => {
  it('adds CAs that a probe trusts', async () => {
    const url = await secure();
    const { exitCode, stdout, stderr } = await probe(['http', url], { NODE_EXTRA_CA_CERTS: ca.cert });
    expect({ exitCode, output: `${stdout}${stderr}` }).toMatchObject({ exitCode: 0 });
  });

  it.each([undefined, '/none/of/these.pem'])('is optional, and so is its file: %s', async (extra) => {
    const { exitCode, stdout, stderr } = await probe(['http', await secure()], {
      NODE_EXTRA_CA_CERTS: extra,
    });
    expect(exitCode).toBe(1);
    expect(`${stdout}${stderr}`).toContain('is not signed by a CA this machine trusts');
    // Node.js warns when it reads a missing file itself.
    expect(stderr).not.toContain('Warning');
  });
});

describe('the environment of child processes', () => {
  const has = async (line: string, env: NodeJS.ProcessEnv) =>
    (await probe(['exec', `grep -qzE ^${line} /proc/self/environ`], env)).exitCode === 0;

  it('is the original one', async () => {
    const env = { NODE_EXTRA_CA_CERTS: ca.cert, MALLOC_ARENA_MAX: '7' };
    expect(await has(`NODE_EXTRA_CA_CERTS=${ca.cert}$`, env)).toBe(true);
    expect(await has('MALLOC_ARENA_MAX=7$', env)).toBe(true);
  });

  it('has no variables for our own processes', async () => {
    const ours = '(NODE_EXTRA_CA_CERTS|MALLOC_ARENA_MAX|K8S_SINGLE_ENV|K8S_SINGLE_EXTRA_CA_CERTS)=';
    expect(await has(ours, {})).toBe(false);
    expect(await has('K8S_SINGLE_EXTRA_CA_CERTS=', { NODE_EXTRA_CA_CERTS: ca.cert })).toBe(false);
  });
});

it('asks no proxy of the environment for loopback, also in a Node.js that reads it (NODE_USE_ENV_PROXY, since 24)', async () => {
  const server = createPlainServer((_request, response) => void response.end());
  const { at } = await listen(server);
  const proxy = 'http://127.0.0.1:9';
  const env = { NODE_USE_ENV_PROXY: '1', HTTP_PROXY: proxy, http_proxy: proxy, NO_PROXY: '', no_proxy: '' };
  const { exitCode, stdout, stderr } = await probe(['http', `http://${at}/`], env);
  expect(`${stdout}${stderr}`).toContain('healthy');
  expect(exitCode).toBe(0);
});
