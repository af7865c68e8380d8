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
    const cert = parseCertificate(textOf(file));
    if (cert === undefined || !isDue(cert, now)) return [];
    const flaw = timeFlaw(cert, now);
    const why = flaw === undefined ? `expires at ${cert.validTo}` : `is ${flaw}`;
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- a key of pkiPaths
    return { name: name as CertificateName, description: `${basename(file)} ${why}` };
  });
}

function textOf(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return '';
  }
}
