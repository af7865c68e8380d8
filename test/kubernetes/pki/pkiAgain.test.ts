import { copyFile, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { ensurePki } from '../../../src/kubernetes/pki/pki.ts';
import {
  certificateOf,
  contents,
  day,
  foreignAuthority,
  identity,
  madePki,
  openssl,
  p256,
  temporaryFolder,
} from '../../support/pki.ts';

/** The files that must outlive everything: what is in the cluster trusts them. */
async function roots(dir: string): Promise<readonly unknown[]> {
  const files = await contents(dir);
  return ['ca.crt', 'ca.key', 'front-proxy-ca.crt', 'front-proxy-ca.key', 'sa.key', 'sa.pub'].map(
    (name) => files[name],
  );
}

/** A name in a certificate, with the ASN.1 types of its strings. */
function nameIn(cert: string, which: '-issuer' | '-subject'): Promise<string> {
  return openssl('x509', '-in', cert, '-noout', which, '-nameopt', 'RFC2253,show_type');
}

test('a second call changes nothing', async () => {
  const { dir, again } = await madePki();
  const before = await contents(dir);
  await expect(again()).resolves.toEqual([]);
  await expect(contents(dir)).resolves.toEqual(before);
});

describe('a leaf is issued again, and nothing else is,', () => {
  test('when the address of the node changes', async () => {
    const { dir, pki, again } = await madePki();
    const before = await roots(dir);
    await expect(again({ nodeIp: '10.88.0.9' })).resolves.toEqual([
      'issuing apiserver.crt: not valid for 10.88.0.9',
      'issuing kubelet-server.crt: not valid for 10.88.0.9',
    ]);
    const cert = await certificateOf(pki.apiserver);
    expect(cert.checkIP('10.88.0.9')).toBe('10.88.0.9');
    expect(cert.checkIP('10.88.0.2')).toBeUndefined();
    await expect(roots(dir)).resolves.toEqual(before);
  });

  test('when the name of the node changes', async () => {
    const { pki, again } = await madePki();
    await expect(again({ nodeName: 'node2' })).resolves.toEqual([
      'issuing apiserver.crt: not valid for node2',
      'issuing kubelet-server.crt: issued to O=system:nodes, CN=system:node:node1',
      'issuing kubelet.crt: issued to O=system:nodes, CN=system:node:node1',
    ]);
    expect((await certificateOf(pki.kubelet)).subject).toBe('O=system:nodes\nCN=system:node:node2');
  });

  test('when a name of the API server is added or taken away', async () => {
    const { again } = await madePki();
    const extraSans = ['api.example', '2001:db8::7'];
    await expect(again({ extraSans })).resolves.toEqual(['issuing apiserver.crt: not valid for api.example']);
    await expect(again({ extraSans })).resolves.toEqual([]);
    await expect(again()).resolves.toEqual([
      expect.stringMatching(/^issuing apiserver.crt: valid for more than /u),
    ]);
  });

  test('when less than a fifth of its life is left', async () => {
    const { dir, pki, again } = await madePki();
    const before = await roots(dir);
    await expect(again({ now: new Date(Date.now() + 290 * day) })).resolves.toEqual([]);
    const now = new Date(Date.now() + 300 * day);
    const issued = await again({ now });
    expect(issued).toHaveLength(14);
    expect(issued[0]).toMatch(/^issuing admin.crt: about to expire /u);
    expect(Date.parse((await certificateOf(pki.admin)).validTo)).toBeGreaterThan(now.getTime() + 364 * day);
    await expect(roots(dir)).resolves.toEqual(before);
  });

  test('when the key that lies beside it is another', async () => {
    const { pki, again } = await madePki();
    await copyFile(pki.proxy.key, pki.scheduler.key);
    await expect(again()).resolves.toEqual(['issuing kube-scheduler.crt: not made for its private key']);
    expect(await readFile(pki.scheduler.key)).toEqual(await readFile(pki.proxy.key));
  });

  test('when it is for another use', async () => {
    const { dir, pki, again } = await madePki();
    const [request, extensions] = [join(dir, 'request'), join(dir, 'extensions')];
    await writeFile(extensions, 'extendedKeyUsage=serverAuth');
    await openssl('req', '-new', '-key', pki.proxy.key, '-subj', '/CN=system:kube-proxy', '-out', request);
    const issuer = [
      '-CA',
      pki.ca.cert,
      '-CAkey',
      pki.ca.key,
      '-CAserial',
      join(dir, 'serial'),
      '-CAcreateserial',
    ];
    await openssl('x509', '-req', '-in', request, ...issuer, '-extfile', extensions, '-out', pki.proxy.cert);
    await expect(again()).resolves.toEqual(['issuing kube-proxy.crt: not for clientAuth alone']);
  });

  test.each([
    ['cert', 'is truncated', 'not a certificate in PEM form'],
    ['key', 'is truncated', 'its private key cannot be read'],
    ['cert', 'is gone', 'not there yet'],
    ['key', 'is gone', 'its private key is missing'],
  ] as const)('when its %s %s', async (part, state, reason) => {
    const { dir, pki, again } = await madePki();
    const before = await roots(dir);
    if (state === 'is gone') await rm(pki.kubelet[part]);
    else await truncate(pki.kubelet[part], 100);
    await expect(again()).resolves.toEqual([`issuing kubelet.crt: ${reason}`]);
    await openssl('verify', '-CAfile', pki.ca.cert, pki.kubelet.cert);
    await expect(again()).resolves.toEqual([]);
    await expect(roots(dir)).resolves.toEqual(before);
  });
});

test.each([
  ['name and key', '/O=elsewhere/CN=other-ca', p256],
  ['name', '/CN=other-ca', []],
  ['key', '/CN=kubernetes-ca', [...p256, '-addext', 'subjectKeyIdentifier=none']],
  ['key and key identifier', '/CN=kubernetes-ca', [...p256, '-addext', 'subjectKeyIdentifier=01:02:03:04']],
] as const)('all leaves of a CA are issued again when its %s are others', async (_, subject, options) => {
  const { pki, again } = await madePki();
  await foreignAuthority(pki.ca, subject, ...options);
  const issued = await again();
  expect(issued).toHaveLength(11);
  expect(issued[0]).toBe('issuing admin.crt: signed by another CA');
  await openssl('verify', '-CAfile', pki.ca.cert, pki.apiserver.cert);
  // Go compares the bytes of the two names, not what they say.
  const issuer = await nameIn(pki.apiserver.cert, '-issuer');
  expect(issuer.replace('issuer', 'subject')).toBe(await nameIn(pki.ca.cert, '-subject'));
  await expect(again()).resolves.toEqual([]);
});

test('whichever file was not yet written when a process was killed, the next call writes it', async () => {
  const { dir, pki, again } = await madePki();
  const before = await contents(dir);
  // A CA's certificate and the service accounts' public key are written after their private keys.
  const written = Object.keys(before).filter(
    (name) => !/^(?:ca|front-proxy-ca|etcd-ca|sa)\.key$/u.test(name),
  );
  for (const name of written) {
    await rm(join(dir, name));
    await again();
    expect(Object.keys(await contents(dir))).toEqual(Object.keys(before));
  }
  await expect(contents(dir)).resolves.toMatchObject({
    'ca.key': before['ca.key'],
    'sa.pub': before['sa.pub'],
  });
  await openssl('verify', '-x509_strict', '-CAfile', pki.ca.cert, pki.admin.cert);
});

test('calls at the same time agree on every key', async () => {
  const dir = await temporaryFolder();
  await Promise.all(Array.from({ length: 6 }, () => ensurePki({ ...identity, dir })));
  const issued: string[] = [];
  await ensurePki({ ...identity, dir, report: (reason) => issued.push(reason) });
  expect(issued).toEqual([]);
  expect(Object.keys(await contents(dir)).filter((name) => name.endsWith('.tmp'))).toEqual([]);
});
