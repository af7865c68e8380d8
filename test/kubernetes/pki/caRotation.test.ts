import { X509Certificate } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import {
  advanceCaRotation,
  isCaRotationOnlyRequested,
  nextCaRotationStep,
  requestCaRotation,
  withdrawCaRotation,
} from '../../../src/kubernetes/pki/caRotation.ts';
import { certificatesIn } from '../../../src/kubernetes/pki/check.ts';
import { signingCertificate } from '../../../src/kubernetes/pki/paths.ts';
import { certificateOf, contents, madePki, openssl } from '../../support/pki.ts';

const cas = ['ca', 'frontProxyCa', 'etcdCa'] as const;
const leafNumber = 14;

describe('a rotation of the CAs', () => {
  test('can be taken back until its first step is done', async () => {
    const { dir } = await madePki();
    expect(await isCaRotationOnlyRequested(dir)).toBe(false);
    const before = await contents(dir);
    await requestCaRotation(dir);
    expect(await isCaRotationOnlyRequested(dir)).toBe(true);
    await withdrawCaRotation(dir);
    expect(await contents(dir)).toEqual(before);
    await requestCaRotation(dir);
    await advanceCaRotation(dir);
    expect(await isCaRotationOnlyRequested(dir)).toBe(false);
  });

  test('trusts both, then signs with the new ones, then forgets the old ones, in files that always fit', async () => {
    const { dir, pki, again } = await madePki();
    const bundle = async (name: (typeof cas)[number]) =>
      certificatesIn(await readFile(pki[name].cert, 'utf8'));
    const verified = async (): Promise<void> => {
      for (const [ca, leaf] of [
        ['ca', 'apiserver'],
        ['frontProxyCa', 'frontProxyClient'],
        ['etcdCa', 'etcd'],
      ] as const)
        await openssl('verify', '-no-CAstore', '-CAfile', pki[ca].cert, pki[leaf].cert);
    };
    const old = await Promise.all(cas.map(bundle));
    expect(await nextCaRotationStep(dir)).toBeUndefined();
    await requestCaRotation(dir);

    expect(await nextCaRotationStep(dir)).toBe('the new CAs are trusted beside the old ones');
    await advanceCaRotation(dir);
    expect(await again()).toEqual([]);
    for (const name of cas) expect(await bundle(name)).toHaveLength(2);
    await verified();

    expect(await nextCaRotationStep(dir)).toBe('the new CAs sign all certificates');
    await advanceCaRotation(dir);
    const issued = await again();
    expect(issued).toHaveLength(leafNumber);
    for (const line of issued) expect(line).toMatch(/: signed by another CA$/);
    await verified();

    expect(await nextCaRotationStep(dir)).toBe('the old CAs are no longer trusted');
    await advanceCaRotation(dir);
    expect(await again()).toEqual([]);
    await verified();
    expect(await nextCaRotationStep(dir)).toBe('every component has the new CAs alone');
    await advanceCaRotation(dir);
    expect(await nextCaRotationStep(dir)).toBeUndefined();
    for (const [index, name] of cas.entries()) {
      const now = await bundle(name);
      expect(now).toHaveLength(1);
      expect(now[0]!.fingerprint256).not.toBe(old[index]![0]!.fingerprint256);
    }
    expect(Object.keys(await contents(dir)).filter((name) => /-(next|old)\./.test(name))).toEqual([]);
  });

  test('signs requests of the cluster by the CA whose key there is, alone', async () => {
    const { dir, pki, again } = await madePki();
    const signer = async () => new X509Certificate(await readFile(signingCertificate(dir))).fingerprint256;
    const old = (await certificateOf(pki.ca)).fingerprint256;
    await requestCaRotation(dir);
    await advanceCaRotation(dir);
    await again();
    expect(await signer()).toBe(old);
    await advanceCaRotation(dir);
    await again();
    expect(await signer()).not.toBe(old);
    expect((await readFile(signingCertificate(dir), 'utf8')).match(/BEGIN/g)).toHaveLength(1);
  });

  test('that is asked for again goes on as it is', async () => {
    const { dir, pki } = await madePki();
    await requestCaRotation(dir);
    await advanceCaRotation(dir);
    const before = await contents(dir);
    await requestCaRotation(dir);
    expect(await contents(dir)).toEqual(before);
    await advanceCaRotation(dir);
    await requestCaRotation(dir);
    await advanceCaRotation(dir);
    await advanceCaRotation(dir);
    expect(await nextCaRotationStep(dir)).toBeUndefined();
    expect(certificatesIn(await readFile(pki.ca.cert, 'utf8'))).toHaveLength(1);
  });

  test('keeps what else is trusted', async () => {
    const { dir, pki } = await madePki();
    const other = await madePki();
    const foreign = await readFile(other.pki.ca.cert, 'utf8');
    await writeFile(pki.ca.cert, foreign + (await readFile(pki.ca.cert, 'utf8')));
    await requestCaRotation(dir);
    await advanceCaRotation(dir);
    await advanceCaRotation(dir);
    await advanceCaRotation(dir);
    const left = certificatesIn(await readFile(pki.ca.cert, 'utf8')).map(String);
    expect(left).toHaveLength(2);
    expect(left[0]).toBe(foreign);
  });

  test('with a damaged key of a new CA names it and changes nothing', async () => {
    const { dir } = await madePki();
    await requestCaRotation(dir);
    await writeFile(join(dir, 'ca-next.key'), 'garbage');
    const before = await contents(dir);
    await expect(advanceCaRotation(dir)).rejects.toThrow('ca-next.key is not a private key in PEM form');
    expect(await contents(dir)).toMatchObject({ 'ca.crt': before['ca.crt'], 'ca.key': before['ca.key'] });
  });
});

test('a CA is the certificate of its key, wherever that is in the file', async () => {
  const { pki, again } = await madePki();
  const other = await madePki();
  const [own, foreign] = await Promise.all([pki, other.pki].map(({ ca }) => readFile(ca.cert, 'utf8')));
  await writeFile(pki.ca.cert, foreign! + own!);
  expect(await again()).toEqual([]);
});
