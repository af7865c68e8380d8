import { createHash } from 'node:crypto';
import type { X509Certificate } from 'node:crypto';

/** The SHA-256 of the public key of a CA, in the form of kubeadm's `--discovery-token-ca-cert-hash`. */
export type Pin = `sha256:${string}`;

export function isPin(text: string): text is Pin {
  return /^sha256:[0-9a-f]{64}$/.test(text);
}

/** Of the key, not of the certificate: a CA whose certificate was signed again is the same. */
export function pinOf({ publicKey }: X509Certificate): Pin {
  const key = publicKey.export({ type: 'spki', format: 'der' });
  return `sha256:${createHash('sha256').update(key).digest('hex')}`;
}
