import { generateKeyPairSync } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { fingerprint, fingerprintMasker } from '../../../src/observe/records/fingerprint.ts';
import { redactor } from '../../../src/observe/records/redact.ts';

const same = (text: string): string => text;
const cleaned = (text: string): string => text.split('\n').flatMap(redactor(same)).join('\n');

const { privateKey, publicKey } = generateKeyPairSync('rsa', {
  modulusLength: 2048,
  publicKeyEncoding: { type: 'spki', format: 'pem' },
  privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
});
/** A line of base64 from the middle of the key. */
const inside = privateKey.split('\n')[3]!;

describe('private keys', () => {
  it.each([
    ['as PEM', `before\n${privateKey}after it`],
    ['in a list', `before\n${privateKey.trimEnd().replaceAll(/^/gm, '      ')}\nafter it`],
    ['with headers', `before\n${privateKey.replace('-----\n', '-----\nProc-Type: 4,ENCRYPTED\n\n')}after it`],
    ['with Windows line ends', `before\n${privateKey.replaceAll('\n', '\r\n')}after it`],
    ['in JSON', `before\n${JSON.stringify({ key: privateKey })}\nafter it`],
    [
      'in base64, as in a kubeconfig',
      `before\nclient-key-data: ${Buffer.from(privateKey).toString('base64')}\nafter it`,
    ],
    ['cut off', `before\n${privateKey.slice(0, 400)}\nafter it`],
  ])('%s are masked, and nothing else', (_how, text) => {
    const shown = cleaned(text);
    expect(shown).not.toContain(inside);
    expect(shown).not.toContain(Buffer.from(privateKey).toString('base64').slice(60, 90));
    expect(shown).not.toContain('Proc-Type');
    expect(shown.split('\n')).toEqual(['before', expect.stringContaining('***'), 'after it']);
  });

  it('do not include public keys and certificates', () => {
    const text = `${publicKey}\nclient-certificate-data: LS0tLS1CRUdJTiBDRVJUSUZJQ0FURS0tLS0tCk1JSUR\nline`;
    expect(cleaned(text)).toBe(text);
  });

  it('that are only mentioned leave the next lines alone', () => {
    const text =
      'no -----BEGIN RSA PRIVATE KEY----- found\nI0801 12:00:00.123456    1 x.go:1] next: step\nthird';
    expect(cleaned(text)).toBe('no *** (private key)\nI0801 12:00:00.123456    1 x.go:1] next: step\nthird');
  });
});

describe('tokens', () => {
  const jwt = 'eyJhbGciOiJSUzI1NiIsImtpZCI6IngifQ.eyJpc3MiOiJrdWJlcm5ldGVzIn0.c2lnbmF0dXJl-_x';
  it.each([
    [`got ${jwt}, thanks`, 'got ***, thanks'],
    ['Authorization: Bearer abcdef123456', 'Authorization: Bearer ***'],
    ['join with abcdef.0123456789abcdef now', 'join with *** now'],
    ['ghp_abcdefghijklmnopqrstuvwxyz0123456789', '***'],
    ['id AKIAIOSFODNN7EXAMPLE', 'id ***'],
    ['DB_PASSWORD=hunter2 started', 'DB_PASSWORD=*** started'],
    ['x --api-token="a b" --verbose', 'x --api-token=*** --verbose'],
    ['GET /?access_token=abc&x=1', 'GET /?access_token=***&x=1'],
    ['{"user":"me","password":"a\\"b","n":1}', '{"user":"me","password":***,"n":1}'],
    ['  clientSecret: geheim', '  clientSecret: ***'],
    ['postgres://me:pw@host/db', 'postgres://me:***@host/db'],
  ])('%s', (text, shown) => {
    expect(cleaned(text)).toBe(shown);
  });

  it.each([
    'FLAG: --tls-private-key-file="/var/lib/apiserver.key"',
    'Failed to get secret "default-token-x2k": timeout',
    'token controller started',
    'https://127.0.0.1:6443/api/v1/namespaces/kube-system/secrets?limit=500',
    '2026-08-01T12:00:00.123456789Z level=info image=k8s-single.local/pause:1',
  ])('are not found where there are none: %s', (text) => {
    expect(cleaned(text)).toBe(text);
  });
});

describe('the fingerprints of secrets', () => {
  const hide = fingerprintMasker(fingerprint(['geheim-17', 'two words', 'abc']));

  it('mask them as whole words between any punctuation', () => {
    expect(hide('x=geheim-17, "geheim-17"; (words) {two}')).toBe('x=***, "***"; (***) {two}');
    expect(hide('geheim-170 and abc')).toBe('geheim-170 and abc');
  });

  it('do not reveal them', () => {
    const text = JSON.stringify(fingerprint(['geheim-17', 'geheim-18']));
    expect(text).not.toContain('geheim');
    expect(JSON.parse(text)).toMatchObject({
      lengths: [9],
      hashes: [expect.any(String), expect.any(String)],
    });
    expect(fingerprint(['geheim-17']).hashes).not.toEqual(fingerprint(['geheim-17']).hashes);
  });
});
