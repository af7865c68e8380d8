import { readFileSync } from 'node:fs';
import { rootCertificates } from 'node:tls';

/**
 * The CAs to trust by default, as PEM: those of Node.js, and those of NODE_EXTRA_CA_CERTS
 * (https://nodejs.org/api/cli.html#node_extra_ca_certsfile). That file is read here because our programs start without the
 * variable (src/lib/childEnv.ts). Undefined, which means the CAs of Node.js, if the variable is not set or the file cannot be
 * read (Node.js ignores it then, too).
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
