import { readFileSync } from 'node:fs';
import { createServer } from 'node:https';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { parseConfig } from '../../../src/config/yaml/parseConfig.ts';
import type { Binaries } from '../../../src/install/install.ts';
import { apiserver } from '../../../src/kubernetes/components/apiserver.ts';
import { certificates } from '../../../src/kubernetes/components/certificates.ts';
import { SecretsEncryption } from '../../../src/kubernetes/encryption.ts';
import { factsOf, unknownHost } from '../../../src/supervisor/nodeFacts.ts';
import { closedPort, listen } from '../../fixtures/probes/servers.ts';
import { tempDir } from '../../support/cli.ts';

it('the API server is not restarted for the illness of etcd, which is restarted itself', async () => {
  const port = await closedPort();
  const data = join(await tempDir('apiserver'), 'data');
  const { node } = parseConfig(`dataDir: ${data}\nnetwork: { apiserverPort: ${port} }`, 'c.yaml');
  const binaries = { files: {}, versions: {}, searchPath: '/bin' } as unknown as Binaries;
  const facts = factsOf(node, binaries, { ...unknownHost, ip: '127.0.0.1' });
  const { run } = certificates(facts, []);
  if (typeof run !== 'function') throw new Error('a function was expected');
  const never = new AbortController().signal;
  await run(never, () => undefined);
  const pki = (name: string): Buffer => readFileSync(join(data, 'pki', name));
  // As kube-apiserver answers while etcd hangs.
  const server = createServer(
    { cert: pki('apiserver.crt'), key: pki('apiserver.key') },
    (request, response) => {
      const isLive = request.url === '/livez?exclude=etcd';
      response
        .writeHead(isLive ? 200 : 500)
        .end(isLive ? 'ok' : '[+]ping ok\n[-]etcd failed: reason withheld\n');
    },
  );
  await listen(server, port);
  const { live, ready } = apiserver(facts, new SecretsEncryption(facts.paths, facts.config.encryption), []);
  await live!(never);
  await expect(ready(never)).rejects.toThrow('[-]etcd failed');
});
