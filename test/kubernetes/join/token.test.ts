import { X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { execa } from 'execa';
import { describe, expect, it } from 'vitest';
import { isPin, pinOf } from '../../../src/kubernetes/join/pin.ts';
import { formatToken, newToken, parseToken, tokenSecret } from '../../../src/kubernetes/join/token.ts';
import { madePki } from '../../support/pki.ts';

const pin = `sha256:${'0a'.repeat(32)}` as const;

describe('a token', () => {
  it('is random, and read as it is written', () => {
    const [a, b] = [newToken(pin), newToken(pin)];
    expect(a).not.toEqual(b);
    expect(parseToken(formatToken(a))).toEqual(a);
    expect(formatToken(a)).toMatch(/^[a-z0-9]{6}\.[a-z0-9]{16}@sha256:[0-9a-f]{64}$/u);
  });

  it.each([
    '',
    'abcdef.0123456789abcdef',
    `abcdef.0123456789abcde@${pin}`,
    `abcde.0123456789abcdef@${pin}`,
    `ABCDEF.0123456789abcdef@${pin}`,
    `abcdef.0123456789abcdef@${pin}0`,
    `abcdef.0123456789abcdef@${pin.replace('0a', '0A')}`,
    `abcdef.0123456789abcdef@md5:${'0'.repeat(32)}`,
    ` abcdef.0123456789abcdef@${pin}`,
    `abcdef.0123456789abcdef@${pin}\n`,
  ])('%j is none', (text) => {
    expect(parseToken(text)).toBeUndefined();
  });

  it('is a Secret that lets a node join and do nothing else, until it expires', () => {
    const token = { id: 'abcdef', secret: '0123456789abcdef', pin };
    const expires = new Date('2030-01-02T03:04:05.678Z');
    expect(tokenSecret(token, { expires, description: 'rack 7' })).toMatchObject({
      metadata: { name: 'bootstrap-token-abcdef', namespace: 'kube-system' },
      type: 'bootstrap.kubernetes.io/token',
      stringData: {
        'token-id': 'abcdef',
        'token-secret': '0123456789abcdef',
        'usage-bootstrap-authentication': 'true',
        'auth-extra-groups': 'system:bootstrappers:k8s-single:worker',
        expiration: '2030-01-02T03:04:05Z',
        description: 'rack 7',
      },
    });
    const forEver = tokenSecret(token, { expires: undefined, description: undefined });
    expect(JSON.stringify(forEver)).not.toMatch(/expiration|description|signing/u);
  });
});

it('a pin is the hash of the public key, as openssl computes it', async () => {
  const { pki } = await madePki();
  const { ca } = pki;
  const own = pinOf(new X509Certificate(readFileSync(ca.cert)));
  const command = 'openssl x509 -pubkey -noout -in "$1" | openssl pkey -pubin -outform der | sha256sum';
  const { stdout } = await execa('sh', ['-c', command, 'sh', ca.cert]);
  expect(own).toBe(`sha256:${stdout.split(' ')[0]}`);
  expect(isPin(own)).toBe(true);
});
