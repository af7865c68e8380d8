import { createHash, createPublicKey, randomBytes, sign } from 'node:crypto';
import type { KeyObject, X509Certificate } from 'node:crypto';
import { Failure } from '../../lib/errors.ts';
import { usageOids } from './check.ts';
import type { Block } from '../../lib/der.ts';
import type { Leaf } from './leaves.ts';
import * as x509 from './x509.ts';

// Loaded only to sign something, because of its library: a boot with valid certificates does without.

const minuteMs = 60_000;
const yearMs = 365 * 24 * 60 * minuteMs;
const leafLifeMs = yearMs;
const authorityLifeMs = 10 * yearMs;
/** A certificate is valid from a little before it was made, for machines whose clocks are behind. */
const skewMs = 5 * minuteMs;

/** The parts of a CA that its certificates have in common. */
export interface Issuer {
  readonly name: Block;
  readonly keyId: Uint8Array;
  readonly key: KeyObject;
}

/** A CA that can sign. */
export interface Authority {
  readonly cert: X509Certificate;
  /** Computed at the first call, which takes 1 ms. Rejects like {@link issuerOf}. */
  readonly issuer: () => Promise<Issuer>;
}

/**
 * `keyFile`: the file of the private key, for messages.
 * @throws Failure `preflight` if certificates cannot be signed with this key
 */
export function issuerOf(cert: X509Certificate, key: KeyObject, keyFile: string): Issuer {
  const { subject, keyId } = x509.parseSubject(cert.raw);
  return { name: subject, keyId: keyId ?? keyIdOf(spkiOf(key)), key: signingKey(key, keyFile) };
}

/**
 * A self-signed CA certificate for `key`, as PEM: 10 years, may sign certificates and nothing else.
 * @throws Failure `preflight` if certificates cannot be signed with this key
 */
export function signAuthority(commonName: string, key: KeyObject, keyFile: string, now: Date): string {
  const spki = spkiOf(key);
  const subject = x509.distinguishedName(commonName);
  return certificate(signingKey(key, keyFile), now, {
    issuer: subject,
    subject,
    notAfter: new Date(now.getTime() + authorityLifeMs),
    spki,
    extensions: [
      x509.basicConstraints(true),
      x509.keyUsage('digitalSignature', 'keyCertSign', 'cRLSign'),
      x509.subjectKeyId(keyIdOf(spki)),
    ],
  });
}

/**
 * The certificate `leaf` for `key`, signed by `authority`, as PEM: one year, but never longer than the CA. Rejects like
 * {@link issuerOf}.
 */
export async function signLeaf(
  leaf: Pick<Leaf, 'commonName' | 'organization' | 'usage' | 'sans'>,
  key: KeyObject,
  authority: Authority,
  now: Date,
): Promise<string> {
  const spki = spkiOf(key);
  const issuer = await authority.issuer();
  return certificate(issuer.key, now, {
    issuer: issuer.name,
    subject: x509.distinguishedName(leaf.commonName, leaf.organization),
    notAfter: new Date(Math.min(now.getTime() + leafLifeMs, Date.parse(authority.cert.validTo))),
    spki,
    extensions: [
      x509.basicConstraints(false),
      // An EC key only signs: kubeadm's keyEncipherment is for RSA (RFC 8422, 5.5).
      x509.keyUsage('digitalSignature'),
      x509.extendedKeyUsage(...usageOids[leaf.usage]),
      x509.subjectKeyId(keyIdOf(spki)),
      x509.authorityKeyId(issuer.keyId),
      ...(leaf.sans.length > 0 ? [x509.subjectAltName(leaf.sans)] : []),
    ],
  });
}

function certificate(
  key: KeyObject,
  now: Date,
  rest: Omit<x509.TbsCertificate, 'notBefore' | 'serialNumber'>,
): string {
  const notBefore = new Date(now.getTime() - skewMs);
  const tbs = x509.encodeTbs({ ...rest, serialNumber: serialNumber(), notBefore });
  return x509.toPem(tbs, sign('sha256', tbs, key));
}

/** 16 random bytes, positive and never shorter: the first bit 0, the second 1 (RFC 5280, 4.1.2.2: at most 20 bytes). */
function serialNumber(): Buffer {
  const bytes = randomBytes(16);
  bytes.writeUInt8((bytes.readUInt8(0) & 0x7f) | 0x40, 0);
  return bytes;
}

function signingKey(key: KeyObject, file: string): KeyObject {
  if (key.asymmetricKeyDetails?.namedCurve !== 'prime256v1') {
    throw new Failure('preflight', `${file} is not an ECDSA P-256 key, so it cannot sign a certificate`, {
      hint: 'Use a CA with an ECDSA P-256 key (openssl ecparam -name prime256v1 -genkey).',
    });
  }
  return key;
}

function spkiOf(key: KeyObject): Buffer {
  return createPublicKey(key).export({ type: 'spki', format: 'der' });
}

/** RFC 5280, 4.2.1.2, method 1. */
function keyIdOf(spki: Uint8Array): Buffer {
  return createHash('sha1').update(x509.publicKeyBits(spki)).digest();
}
