import { readFileSync } from 'node:fs';
import { createServer } from 'node:https';
import { join } from 'node:path';
import { expect, it, vi } from 'vitest';
import { parseConfig } from '../../../src/config/yaml/parseConfig.ts';
import type { Service } from '../../../src/engine/component.ts';
import type { Binaries } from '../../../src/install/install.ts';
import { apiserver } from '../../../src/kubernetes/components/apiserver.ts';
import { certificates, renewalOf } from '../../../src/kubernetes/components/certificates.ts';
import { SecretsEncryption } from '../../../src/kubernetes/encryption.ts';
import { kubernetesNode } from '../../../src/kubernetes/node.ts';
import { dueCertificates } from '../../../src/kubernetes/pki/expiry.ts';
import { ensurePki } from '../../../src/kubernetes/pki/pki.ts';
import { factsOf, unknownHost } from '../../../src/supervisor/nodeFacts.ts';
import { closedPort, listen } from '../../fixtures/probes/servers.ts';
import { tempDir } from '../../support/cli.ts';

const never = new AbortController().signal;

it('the API server is not restarted for the illness of etcd, which is restarted itself', async () => {
  const port = await closedPort();
  const data = join(await tempDir('apiserver'), 'data');
  const { node } = parseConfig(`dataDir: ${data}\nnetwork: { apiserverPort: ${port} }`, 'c.yaml');
  const binaries = { files: {}, versions: {}, searchPath: '/bin' } as unknown as Binaries;
  const facts = factsOf(node, binaries, { ...unknownHost, ip: '127.0.0.1' });
  const { run } = certificates(facts, []);
  if (typeof run !== 'function') throw new Error('a function was expected');
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

/** A node whose certificates have expired, but for the CAs. */
async function expiredNode() {
  const data = join(await tempDir('apiserver'), 'data');
  const { node } = parseConfig(`dataDir: ${data}`, 'c.yaml');
  const binaries = { files: {}, versions: {}, searchPath: '/bin' } as unknown as Binaries;
  const facts = factsOf(node, binaries, { ...unknownHost, ip: '127.0.0.1' });
  const identity = {
    nodeName: node.nodeName,
    nodeIp: '127.0.0.1',
    serviceIp: '10.0.0.1',
    clusterDomain: 'cluster.local',
  };
  // A year and a day ago: the leaves have expired, the CA has not.
  await ensurePki({ dir: join(data, 'pki'), ...identity, now: new Date(Date.now() - 366 * 24 * 3_600_000) });
  return facts;
}

it('a restart renews what expires while the node runs, and status names it before', async () => {
  const facts = await expiredNode();
  const { data } = facts.paths;
  const expired = dueCertificates(join(data, 'pki'));
  expect(expired).toHaveLength(14);
  expect(expired[0]?.description).toMatch(/^apiserver\.crt is expired since /);
  const { command } = kubernetesNode(facts).find(({ name }) => name === 'apiserver') as Service;
  if (typeof command !== 'function') throw new Error('a function was expected');
  // The first start follows the task pki.
  await command();
  expect(dueCertificates(join(data, 'pki'))).toHaveLength(14);
  const later = performance.now() + 61_000;
  const now = vi.spyOn(performance, 'now').mockReturnValue(later);
  await command();
  now.mockRestore();
  expect(dueCertificates(join(data, 'pki'))).toEqual([]);
});

it('certificates are renewed while the node runs, and their users can tell', async () => {
  const facts = await expiredNode();
  const renewal = renewalOf(facts);
  expect(renewal.due()).toHaveLength(14);
  const users = [
    'apiserver',
    'controller-manager',
    'dns',
    'etcd',
    'helper',
    'kube-proxy',
    'kubelet',
    'scheduler',
  ];
  const signatures = () => users.map((name) => renewal.signatureOf(name));
  const before = signatures();
  await renewal.renew(never);
  expect(renewal.due()).toEqual([]);
  const after = signatures();
  expect(users.filter((_, i) => before[i] === after[i])).toEqual([]);
  await renewal.renew(never);
  expect(signatures()).toEqual(after);
  expect(renewal.signatureOf('containerd')).toBe('');
});
