import { readFileSync } from 'node:fs';
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

async function probe(target: readonly [string, string], extra?: string) {
  const env = { NODE_EXTRA_CA_CERTS: extra, K8S_SINGLE_EXTRA_CA_CERTS: undefined };
  return execa(program, ['probe', ...target], { env, stdin: 'ignore', reject: false });
}

/** An HTTPS server whose certificate nobody knows who has not been told of its CA. */
async function secure(): Promise<string> {
  const { cert, key } = ca.leaf('server');
  const server = createServer({ cert: readFileSync(cert), key: readFileSync(key) }, (_request, response) => {
    response.end();
  });
  return `https://${(await listen(server)).at}/`;
}

describe('NODE_EXTRA_CA_CERTS', () => {
  it('adds to those whom a probe trusts', async () => {
    const url = await secure();
    const { exitCode, stdout, stderr } = await probe(['http', url], ca.cert);
    expect({ exitCode, said: `${stdout}${stderr}` }).toMatchObject({ exitCode: 0 });
  });

  it.each([undefined, '/none/of/these.pem'])('is not needed, nor its file: %s', async (extra) => {
    const { exitCode, stdout, stderr } = await probe(['http', await secure()], extra);
    expect(exitCode).toBe(1);
    expect(`${stdout}${stderr}`).toContain('is not signed by a CA this machine trusts');
    // Node.js' own warning would be the one sign that it reads them.
    expect(stderr).not.toContain('Warning');
  });

  it('is in the environment of whatever is started', async () => {
    const { exitCode } = await probe(
      ['exec', `grep -qz ^NODE_EXTRA_CA_CERTS=${ca.cert}$ /proc/self/environ`],
      ca.cert,
    );
    expect(exitCode).toBe(0);
    const other = await probe(['exec', 'grep -qz ^K8S_SINGLE_EXTRA /proc/self/environ'], ca.cert);
    expect(other.exitCode).toBe(1);
  });
});
