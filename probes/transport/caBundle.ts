import { readFileSync } from 'node:fs';
import { rootCertificates } from 'node:tls';

/**
 * Whom to trust without a CA of one's own, as PEM: whom Node.js trusts, and whom NODE_EXTRA_CA_CERTS adds to them
 * (https://nodejs.org/api/cli.html#node_extra_ca_certsfile). Its file is read here because the programs of this package start
 * without the variable: see src/ownEnvironment.ts. One that cannot be read adds nothing, as with Node.js. Undefined when there
 * is none: whom Node.js trusts anyway.
 */
export function caBundle(): string[] | undefined {
  const extra = process.env['NODE_EXTRA_CA_CERTS'];
  if (!extra) return undefined;
  try {
    return [...rootCertificates, readFileSync(extra, 'utf8')];
  } catch {
    return undefined;
  }
}
