import { X509Certificate } from 'node:crypto';
import type { KeyObject } from 'node:crypto';
import { isAddress } from './leaves.ts';
import type { Leaf } from './leaves.ts';

/** RFC 5280, 4.2.1.12. */
const [serverAuth, clientAuth] = ['1.3.6.1.5.5.7.3.1', '1.3.6.1.5.5.7.3.2'] as const;
export const usageOids = {
  serverAuth: [serverAuth],
  clientAuth: [clientAuth],
  peer: [serverAuth, clientAuth],
} as const;

/** A leaf with less than this part of its life left is issued again. */
const renewalPart = 1 / 5;

/** The certificate in a PEM text, or undefined if the text is not a certificate. */
export function parseCertificate(pem: string): X509Certificate | undefined {
  try {
    return new X509Certificate(pem);
  } catch {
    return undefined;
  }
}

/** The certificates in a PEM text, in its order; those that cannot be read are left out. */
export function certificatesIn(pem: string): X509Certificate[] {
  const blocks = pem.match(/-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----/gs) ?? [];
  return blocks.map(parseCertificate).filter((cert) => cert !== undefined);
}

/** Why `cert` is not valid at `now`, or undefined when it is. */
export function timeFlaw(cert: X509Certificate, now: Date): string | undefined {
  if (now < new Date(cert.validFrom)) return `not valid before ${cert.validFrom}`;
  if (now >= new Date(cert.validTo)) return `expired since ${cert.validTo}`;
  return undefined;
}

/**
 * Why `cert` cannot serve as `leaf` with the private key `key`, or undefined when it can. The cheap checks come first
 * and the CA's signature last.
 */
export function leafFlaw(
  leaf: Leaf,
  cert: X509Certificate,
  key: KeyObject,
  ca: X509Certificate,
  now: Date,
): string | undefined {
  const subject = [
    ...(leaf.organization === undefined ? [] : [`O=${leaf.organization}`]),
    `CN=${leaf.commonName}`,
  ];
  if (cert.subject !== subject.join('\n')) return `issued to ${cert.subject.replaceAll('\n', ', ')}`;
  if (cert.keyUsage?.join() !== usageOids[leaf.usage].join()) return `not for ${leaf.usage} alone`;
  return (
    nameFlaw(leaf, cert) ??
    timeFlaw(cert, now) ??
    ageFlaw(cert, now) ??
    (cert.checkPrivateKey(key) ? undefined : 'not made for its private key') ??
    (cert.checkIssued(ca) && cert.verify(ca.publicKey) ? undefined : 'signed by another CA')
  );
}

function nameFlaw(leaf: Leaf, cert: X509Certificate): string | undefined {
  const names = cert.subjectAltName?.split(', ') ?? [];
  const missing = leaf.sans.find(
    (san) => !(isAddress(san) ? cert.checkIP(san) : names.includes(`DNS:${san}`)),
  );
  if (missing !== undefined) return `not valid for ${missing}`;
  return names.length > leaf.sans.length ? `valid for more than ${leaf.sans.join(', ')}` : undefined;
}

function ageFlaw(cert: X509Certificate, now: Date): string | undefined {
  return isDue(cert, now) ? `about to expire (${cert.validTo})` : undefined;
}

/** Whether a leaf is to be issued again for its age. */
export function isDue(cert: X509Certificate, now: Date): boolean {
  const end = new Date(cert.validTo).getTime();
  const life = end - new Date(cert.validFrom).getTime();
  return end - now.getTime() < life * renewalPart;
}
