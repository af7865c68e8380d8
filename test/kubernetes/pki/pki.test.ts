import { createPrivateKey, createPublicKey, sign, verify } from 'node:crypto';
import { chmod, readFile, stat } from 'node:fs/promises';
import { describe, expect, test } from 'vitest';
import { pkiPaths } from '../../../src/kubernetes/pki/paths.ts';
import { certificateOf, day, identity, madePki, openssl } from '../../support/pki.ts';

const servers = ['apiserver', 'kubeletServer', 'controlLoop'] as const;
const subjects = {
  apiserverKubelet: 'CN=kube-apiserver-kubelet-client,O=system:masters',
  frontProxyClient: 'CN=front-proxy-client',
  admin: 'CN=admin,O=system:masters',
  kubelet: 'CN=system:node:node1,O=system:nodes',
  controllerManager: 'CN=system:kube-controller-manager',
  scheduler: 'CN=system:kube-scheduler',
  proxy: 'CN=system:kube-proxy',
} as const;
const clients = [
  'apiserverKubelet',
  'frontProxyClient',
  'admin',
  'kubelet',
  'controllerManager',
  'scheduler',
  'proxy',
] as const;
const leaves = [...servers, ...clients];

async function modeOf(path: string): Promise<string> {
  return ((await stat(path)).mode & 0o777).toString(8);
}

function verifyFor(purpose: 'sslclient' | 'sslserver', ca: string, cert: string): Promise<string> {
  return openssl('verify', '-x509_strict', '-no-CAstore', '-CAfile', ca, '-purpose', purpose, cert);
}

describe('openssl', () => {
  test('verifies every certificate for its purpose alone, by its own CA alone', async () => {
    const { pki } = await madePki();
    for (const name of leaves) {
      const [own, other] = [pki.ca.cert, pki.frontProxyCa.cert];
      const [ca, wrongCa] = name === 'frontProxyClient' ? [other, own] : [own, other];
      const right = name in subjects ? 'sslclient' : 'sslserver';
      const wrong = name in subjects ? 'sslserver' : 'sslclient';
      await expect(verifyFor(right, ca, pki[name].cert)).resolves.toContain('OK');
      await expect(verifyFor(wrong, ca, pki[name].cert)).rejects.toThrow(/unsuitable|unsupported/u);
      await expect(verifyFor(right, wrongCa, pki[name].cert)).rejects.toThrow(/unable to get local issuer/u);
    }
  });

  test('reads the user and groups that RBAC knows', async () => {
    const { pki } = await madePki();
    for (const name of clients) {
      const subject = await openssl(
        'x509',
        '-in',
        pki[name].cert,
        '-noout',
        '-subject',
        '-nameopt',
        'RFC2253',
      );
      expect(subject).toBe(`subject=${subjects[name]}`);
    }
  });

  test('finds the API server and the kubelet under their names and addresses, and under no other', async () => {
    const { pki } = await madePki({ extraSans: ['api.example', 'fd00::1'] });
    const check = (cert: string, kind: 'hostname' | 'ip', value: string): Promise<string> =>
      openssl('verify', '-CAfile', pki.ca.cert, `-verify_${kind}`, value, cert);
    const service = 'kubernetes.default.svc';
    const names = [
      'kubernetes',
      'kubernetes.default',
      service,
      `${service}.cluster.local`,
      'localhost',
      'node1',
    ];
    for (const name of [...names, 'api.example']) await check(pki.apiserver.cert, 'hostname', name);
    for (const ip of ['10.0.0.1', '127.0.0.1', '10.88.0.2', 'fd00::1'])
      await check(pki.apiserver.cert, 'ip', ip);
    await check(pki.kubeletServer.cert, 'hostname', 'node1');
    for (const ip of ['127.0.0.1', '10.88.0.2']) await check(pki.kubeletServer.cert, 'ip', ip);
    await expect(check(pki.apiserver.cert, 'hostname', 'node2')).rejects.toThrow(/hostname mismatch/u);
    await expect(check(pki.kubeletServer.cert, 'ip', '10.0.0.1')).rejects.toThrow(/IP address mismatch/u);
  });

  test('shows P-256 keys, critical constraints, key identifiers and positive serial numbers', async () => {
    const { pki } = await madePki();
    const ca = await openssl('x509', '-in', pki.ca.cert, '-noout', '-text');
    expect(ca).toMatch(/Basic Constraints: critical\s+CA:TRUE/u);
    expect(ca).toMatch(/Key Usage: critical\s+Digital Signature, Certificate Sign, CRL Sign/u);
    const caKeyId = /Subject Key Identifier:\s+(?<id>[\dA-F:]+)/u.exec(ca)?.groups?.['id'];
    const leaf = await openssl('x509', '-in', pki.kubelet.cert, '-noout', '-text');
    expect(leaf).toMatch(/Basic Constraints: critical\s+CA:FALSE/u);
    expect(leaf).toMatch(/Key Usage: critical\s+Digital Signature\n/u);
    expect(leaf).toMatch(new RegExp(`Authority Key Identifier:\\s+${caKeyId}`, 'u'));
    const serials = new Set<string>();
    for (const name of [...leaves, 'ca', 'frontProxyCa'] as const) {
      const text = await openssl('x509', '-in', pki[name].cert, '-noout', '-text');
      expect(text).toContain('NIST CURVE: P-256');
      serials.add(await openssl('x509', '-in', pki[name].cert, '-noout', '-serial'));
    }
    expect(serials.size).toBe(leaves.length + 2);
    for (const serial of serials) expect(serial).toMatch(/^serial=[4-7][\dA-F]{31}$/u);
  });
});

test('every certificate belongs to its key and was signed by its CA', async () => {
  const { pki } = await madePki();
  for (const name of leaves) {
    const cert = await certificateOf(pki[name]);
    const ca = await certificateOf(name === 'frontProxyClient' ? pki.frontProxyCa : pki.ca);
    expect(cert.checkPrivateKey(createPrivateKey(await readFile(pki[name].key)))).toBe(true);
    expect(cert.checkIssued(ca) && cert.verify(ca.publicKey)).toBe(true);
  }
});

test('a leaf lives a year and a CA ten, from some minutes ago', async () => {
  const now = new Date('2030-05-05T12:00:00Z');
  const { pki } = await madePki({ now });
  const life = async (name: 'ca' | 'admin'): Promise<number[]> => {
    const { validFrom, validTo } = await certificateOf(pki[name]);
    return [Date.parse(validFrom) - now.getTime(), Date.parse(validTo) - now.getTime()];
  };
  await expect(life('admin')).resolves.toEqual([-5 * 60_000, 365 * day]);
  await expect(life('ca')).resolves.toEqual([-5 * 60_000, 3650 * day]);
});

test('a leaf does not outlive its CA', async () => {
  const { pki, again } = await madePki();
  const ca = await certificateOf(pki.ca);
  const now = new Date(Date.parse(ca.validTo) - 100 * day);
  await again({ now });
  expect((await certificateOf(pki.admin)).validTo).toBe(ca.validTo);
  await expect(again({ now })).resolves.toEqual([]);
});

test('the public key of the service accounts checks what the private one signs', async () => {
  const { pki } = await madePki();
  const token = Buffer.from('token');
  const signature = sign('sha256', token, createPrivateKey(await readFile(pki.serviceAccount.private)));
  const key = createPublicKey(await readFile(pki.serviceAccount.public));
  expect(key.asymmetricKeyDetails?.namedCurve).toBe('prime256v1');
  expect(verify('sha256', token, key, signature)).toBe(true);
});

test('only the owner can reach the folder and read the keys', async () => {
  const { dir, pki, again } = await madePki();
  await expect(modeOf(dir)).resolves.toBe('700');
  await chmod(dir, 0o755);
  await again();
  await expect(modeOf(dir)).resolves.toBe('700');
  await expect(modeOf(pki.serviceAccount.private)).resolves.toBe('600');
  for (const name of [...leaves, 'ca', 'frontProxyCa'] as const) {
    await expect(modeOf(pki[name].key)).resolves.toBe('600');
  }
});

test("etcd's certificates are of its own CA: its own for both sides, and its client's for one", async () => {
  const { pki } = await madePki();
  const { ca, etcdCa, etcd, apiserverEtcd } = pki;
  for (const purpose of ['sslserver', 'sslclient'] as const)
    await expect(verifyFor(purpose, etcdCa.cert, etcd.cert)).resolves.toContain('OK');
  await expect(verifyFor('sslclient', etcdCa.cert, apiserverEtcd.cert)).resolves.toContain('OK');
  await expect(verifyFor('sslserver', etcdCa.cert, apiserverEtcd.cert)).rejects.toThrow(/unsu/u);
  await expect(verifyFor('sslclient', ca.cert, apiserverEtcd.cert)).rejects.toThrow(/local issuer/u);
  for (const { key } of [etcdCa, etcd, apiserverEtcd]) await expect(modeOf(key)).resolves.toBe('600');
});

test('the paths are known before the files exist', async () => {
  const { dir, pki } = await madePki(identity);
  expect(pkiPaths(dir)).toEqual(pki);
});
