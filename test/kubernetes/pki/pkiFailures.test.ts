import { copyFile, mkdir, rm, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { ensurePki } from '../../../src/kubernetes/pki/pki.ts';
import type { Pki } from '../../../src/kubernetes/pki/paths.ts';
import {
  contents,
  day,
  foreignAuthority,
  identity,
  madePki,
  openssl,
  temporaryFolder,
} from '../../support/pki.ts';

const cases: readonly (readonly [string, (pki: Pki) => Promise<unknown>, RegExp, RegExp])[] = [
  ['key is gone', ({ ca }) => rm(ca.key), /ca\.key is missing/u, /Put back the .*ca\.key/u],
  [
    'key is corrupt',
    ({ ca }) => truncate(ca.key, 50),
    /ca\.key is not a private key/u,
    /Put back the .*ca\.key/u,
  ],
  [
    'key belongs to another',
    ({ ca, frontProxyCa }) => copyFile(frontProxyCa.key, ca.key),
    /ca\.key is not the private key of .*ca\.crt/u,
    /down --purge/u,
  ],
  [
    'certificate is corrupt',
    ({ ca }) => truncate(ca.cert, 50),
    /ca\.crt is not a certificate in PEM form/u,
    /remove .*ca\.crt/u,
  ],
  [
    'certificate is not one of a CA',
    async ({ ca }) => {
      const leaf = ['-subj', '/CN=leaf', '-addext', 'basicConstraints=critical,CA:FALSE'];
      await openssl('req', '-x509', '-key', ca.key, '-out', ca.cert, ...leaf);
    },
    /ca\.crt is not the certificate of a CA/u,
    /remove .*ca\.crt/u,
  ],
  [
    'service account key is gone',
    ({ serviceAccount }) => rm(serviceAccount.private),
    /sa\.key is missing/u,
    /Put .*sa\.key back/u,
  ],
  [
    'service account key is corrupt',
    ({ serviceAccount }) => truncate(serviceAccount.private, 50),
    /sa\.key is not a private key/u,
    /Put .*sa\.key back/u,
  ],
];

test.each(cases)('when the %s, it says what to do and destroys nothing', async (_, damage, message, hint) => {
  const { dir, pki, again } = await madePki();
  await damage(pki);
  const before = await contents(dir);
  await expect(again()).rejects.toMatchObject({
    name: 'Failure',
    code: 'preflight',
    message: expect.stringMatching(message),
    hint: expect.stringMatching(hint),
  });
  await expect(contents(dir)).resolves.toEqual(before);
});

test('a folder in the place of a file is named', async () => {
  const { pki, again } = await madePki();
  await rm(pki.apiserver.cert);
  await mkdir(pki.apiserver.cert);
  await expect(again()).rejects.toMatchObject({
    code: 'preflight',
    message: `${pki.apiserver.cert} is a folder, not a file`,
    hint: 'put the file back in its place',
  });
});

test.each([
  ['expired', 3651, /ca\.crt is expired since /u],
  ['not valid yet', -1, /ca\.crt is not valid before /u],
])('a CA that is %s is left for a person to mend', async (_, days, message) => {
  const { dir, again } = await madePki();
  const before = await contents(dir);
  const now = new Date(Date.now() + days * day);
  await expect(again({ now })).rejects.toMatchObject({
    code: 'preflight',
    message: expect.stringMatching(message),
    hint: expect.stringMatching(/clock/u),
  });
  await expect(contents(dir)).resolves.toEqual(before);
});

test('doing what the hint says mends an expired CA, and its key stays', async () => {
  const { dir, pki, again } = await madePki();
  const before = await contents(dir);
  const now = new Date(Date.now() + 3651 * day);
  await rm(pki.ca.cert);
  await rm(pki.frontProxyCa.cert);
  await rm(pki.etcdCa.cert);
  await again({ now });
  await expect(again({ now })).resolves.toEqual([]);
  await expect(contents(dir)).resolves.toMatchObject({ 'ca.key': before['ca.key'] });
});

test('a CA that cannot sign as needed is named', async () => {
  const { pki, again } = await madePki();
  await foreignAuthority(pki.ca, '/CN=elsewhere', '-newkey', 'rsa:2048', '-nodes');
  await expect(again()).rejects.toMatchObject({
    code: 'preflight',
    message: expect.stringMatching(/ca\.key is not an ECDSA P-256 key/u),
  });
});

test('a folder that cannot be made is named, with the reason', async () => {
  const file = join(await temporaryFolder(), 'file');
  await writeFile(file, '');
  await expect(ensurePki({ ...identity, dir: join(file, 'pki') })).rejects.toMatchObject({
    code: 'preflight',
    message: expect.stringMatching(/the certificates in .*file\/pki cannot be read or written: ENOTDIR/u),
  });
});
