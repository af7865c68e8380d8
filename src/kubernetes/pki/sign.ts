import { createPublicKey, randomBytes, webcrypto } from 'node:crypto';
import type { KeyObject, X509Certificate } from 'node:crypto';
import { isIP } from 'node:net';
import type { Extension, Name } from '@peculiar/x509';
import { Failure } from '../../lib/errors.ts';
import type { Leaf } from './leaves.ts';

const minuteMs = 60_000;
const yearMs = 365 * 24 * 60 * minuteMs;
const leafLifeMs = yearMs;
const authorityLifeMs = 10 * yearMs;
/** A certificate is valid from a little before it was made, for machines whose clocks are behind. */
const skewMs = 5 * minuteMs;

/** A CA that can sign. */
export interface Authority {
  readonly cert: X509Certificate;
  /** What of it goes into each certificate. Made when something is signed, and once. */
  readonly issuer: () => Promise<Issuer>;
}

interface Issuer {
  readonly name: Name;
  readonly keyId: Extension;
  readonly signingKey: webcrypto.CryptoKey;
}

/** `keyFile`: the file of the private key, for messages. */
export function authorityOf(cert: X509Certificate, key: KeyObject, keyFile: string): Authority {
  let issuer: Promise<Issuer> | undefined;
  return { cert, issuer: async () => (issuer ??= issuerOf(cert, key, keyFile)) };
}

async function issuerOf(cert: X509Certificate, key: KeyObject, keyFile: string): Promise<Issuer> {
  const x509 = await library();
  const ca = new x509.X509Certificate(cert.raw);
  const keyId = ca.getExtension(x509.SubjectKeyIdentifierExtension)?.keyId;
  return {
    name: ca.subjectName,
    keyId:
      keyId === undefined
        ? await x509.AuthorityKeyIdentifierExtension.create(spki(key))
        : new x509.AuthorityKeyIdentifierExtension(keyId),
    signingKey: await signingKey(key, keyFile),
  };
}

/** A self-signed CA certificate for `key`, as PEM: 10 years, may sign certificates and nothing else. */
export async function signAuthority(
  commonName: string,
  key: KeyObject,
  keyFile: string,
  now: Date,
): Promise<string> {
  const x509 = await library();
  const publicKey = spki(key);
  const flags = x509.KeyUsageFlags;
  const subject = new x509.Name([{ CN: [commonName] }]);
  return sign({
    subject,
    issuer: subject,
    publicKey,
    signingKey: await signingKey(key, keyFile),
    notAfter: new Date(now.getTime() + authorityLifeMs),
    now,
    extensions: [
      new x509.BasicConstraintsExtension(true, undefined, true),
      new x509.KeyUsagesExtension(flags.digitalSignature | flags.keyCertSign | flags.cRLSign, true),
      await x509.SubjectKeyIdentifierExtension.create(publicKey),
    ],
  });
}

/** The certificate `leaf` for `key`, signed by `authority`, as PEM: one year, but never longer than the CA. */
export async function signLeaf(leaf: Leaf, key: KeyObject, authority: Authority, now: Date): Promise<string> {
  const x509 = await library();
  const publicKey = spki(key);
  const { name, keyId, signingKey: caKey } = await authority.issuer();
  const organization = leaf.organization === undefined ? [] : [{ O: [leaf.organization] }];
  const sans = leaf.sans.map((value) => ({ type: isIP(value) ? x509.IP : x509.DNS, value }));
  return sign({
    subject: new x509.Name([...organization, { CN: [leaf.commonName] }]),
    issuer: name,
    publicKey,
    signingKey: caKey,
    notAfter: new Date(Math.min(now.getTime() + leafLifeMs, Date.parse(authority.cert.validTo))),
    now,
    extensions: [
      new x509.BasicConstraintsExtension(false, undefined, true),
      // An EC key only signs: kubeadm's keyEncipherment is for RSA (RFC 8422, 5.5).
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
      new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage[leaf.usage]]),
      await x509.SubjectKeyIdentifierExtension.create(publicKey),
      keyId,
      ...(sans.length > 0 ? [new x509.SubjectAlternativeNameExtension(sans)] : []),
    ],
  });
}

interface Request {
  readonly subject: Name;
  readonly issuer: Name;
  readonly publicKey: Buffer;
  readonly signingKey: webcrypto.CryptoKey;
  readonly now: Date;
  readonly notAfter: Date;
  readonly extensions: Extension[];
}

async function sign({ now, ...request }: Request): Promise<string> {
  const x509 = await library();
  const certificate = await x509.X509CertificateGenerator.create({
    ...request,
    serialNumber: serialNumber(),
    notBefore: new Date(now.getTime() - skewMs),
  });
  return `${certificate.toString('pem')}\n`;
}

/** 16 random bytes, positive and never shorter: the first bit 0, the second 1 (RFC 5280, 4.1.2.2: at most 20 bytes). */
function serialNumber(): string {
  const bytes = randomBytes(16);
  bytes.writeUInt8((bytes.readUInt8(0) & 0x7f) | 0x40, 0);
  return bytes.toString('hex');
}

async function signingKey(key: KeyObject, file: string): Promise<webcrypto.CryptoKey> {
  if (key.asymmetricKeyDetails?.namedCurve !== 'prime256v1') {
    throw new Failure('preflight', `${file} is not an ECDSA P-256 key, so it cannot sign a certificate`, {
      hint: 'Use a CA with an ECDSA P-256 key (openssl ecparam -name prime256v1 -genkey).',
    });
  }
  const pkcs8 = key.export({ type: 'pkcs8', format: 'der' });
  return webcrypto.subtle.importKey('pkcs8', pkcs8, { name: 'ECDSA', namedCurve: 'P-256' }, false, ['sign']);
}

function spki(key: KeyObject): Buffer {
  return createPublicKey(key).export({ type: 'spki', format: 'der' });
}

/** Loaded only when something must be signed: it takes longer than all the rest of the PKI together. */
export async function library(): Promise<typeof import('@peculiar/x509')> {
  await import('reflect-metadata');
  return import('@peculiar/x509');
}
