import { readFileSync } from 'node:fs';
import { basename } from 'node:path';
import { isDue, parseCertificate, timeFlaw } from './check.ts';
import { pkiPaths } from './paths.ts';
import type { CertificateName } from './paths.ts';

/** A certificate that is to be issued again. */
interface DueCertificate {
  readonly name: CertificateName;
  /** Its file, and why, for people. */
  readonly description: string;
}

/**
 * Which certificates in `dir` have expired, or will before a fifth of their life is over. Empty if there are none. Takes about 2 ms.
 */
export function dueCertificates(dir: string, now = new Date()): DueCertificate[] {
  const { serviceAccount: _, ...certificates } = pkiPaths(dir);
  return Object.entries(certificates).flatMap(([name, { cert: file }]) => {
    const description = expiryOf(file, now);
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- a key of pkiPaths
    return description === undefined ? [] : { name: name as CertificateName, description };
  });
}

/** What to say of a certificate that has expired, or will before a fifth of its life is over; undefined for any other file. */
export function expiryOf(file: string, now = new Date()): string | undefined {
  const cert = parseCertificate(textOf(file));
  if (cert === undefined || !isDue(cert, now)) return undefined;
  const flaw = timeFlaw(cert, now);
  return `${basename(file)} ${flaw === undefined ? `expires at ${cert.validTo}` : `is ${flaw}`}`;
}

function textOf(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return '';
  }
}
