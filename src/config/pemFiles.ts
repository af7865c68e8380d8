import { createPrivateKey, X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { reasonOf } from '../lib/errors.ts';

/** @throws Error when the file has none, or something else among them */
export function certificatesIn(file: string): X509Certificate[] {
  const found = readText(file).match(/-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----/gs) ?? [];
  if (found.length === 0) throw new Error(`${file} has no certificate (PEM)`);
  return found.map((pem) => {
    try {
      return new X509Certificate(pem);
    } catch (cause) {
      throw new Error(`${file} has a certificate that cannot be read: ${reasonOf(cause)}`, { cause });
    }
  });
}

/** @throws Error when the file has no key, or that of another certificate */
export function checkKey(file: string, certFile: string | undefined): void {
  const text = readText(file);
  let key;
  try {
    key = createPrivateKey(text);
  } catch (cause) {
    throw new Error(`${file} has no private key (PEM) that can be read without a password`, { cause });
  }
  let cert: X509Certificate | undefined;
  try {
    [cert] = certFile === undefined ? [] : certificatesIn(certFile);
  } catch {
    // A problem of the certificate's file.
  }
  if (cert?.checkPrivateKey(key) === false) throw new Error(`${file} is not the key of ${certFile}`);
}

/** @throws Error that names the file */
export function readText(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (cause) {
    throw new Error(`cannot read ${file}: ${reasonOf(cause)}`, { cause });
  }
}
