import { readFile } from 'node:fs/promises';
import { Failure } from '../../lib/errors.ts';
import { certificatesIn, timeFlaw } from './check.ts';
import { createFileAtomicallySync } from '../../lib/atomicFile.ts';
import { publicMode, readIfThere } from './files.ts';
import { ensureKey } from './keys.ts';
import type { CertificateFiles } from './paths.ts';
import type { Authority, Issuer } from './sign.ts';

/**
 * The CA in `files`: of several certificates, the one of the private key. The others are trusted only. Creates it if both files are missing, and signs its certificate again if only the key exists.
 * Replaces nothing: everything in the cluster trusts this key.
 * @throws Failure `preflight`, with what to do, if there is a CA that cannot be used
 */
export async function ensureAuthority(
  files: CertificateFiles,
  commonName: string,
  now: Date,
): Promise<Authority> {
  const { cert: certFile, key: keyFile } = files;
  // The certificate is written last and read first: if it exists and the key does not, the key was lost.
  const found = await readIfThere(certFile);
  if (found !== undefined && (await readIfThere(keyFile)) === undefined) {
    throw keyFailure(files, `${keyFile} is missing: ${certFile} is a CA without its private key`);
  }
  const stored = await ensureKey(keyFile, { durable: true });
  if (stored === undefined) throw keyFailure(files, `${keyFile} is not a private key in PEM form`);
  const { key } = stored;
  if (found === undefined) {
    const { signAuthority } = await import('./sign.ts');
    createFileAtomicallySync(certFile, signAuthority(commonName, key, keyFile, now), {
      mode: publicMode,
      durable: true,
    });
  }
  const certs = certificatesIn(found ?? (await readFile(certFile, 'utf8')));
  if (certs.length === 0) throw certFailure(files, `${certFile} is not a certificate in PEM form`, 'remove');
  const cert = certs.find((each) => each.checkPrivateKey(key));
  if (cert === undefined) throw keyFailure(files, `${keyFile} is not the private key of ${certFile}`);
  if (!cert.ca) throw certFailure(files, `${certFile} is not the certificate of a CA`, 'remove');
  const flaw = timeFlaw(cert, now);
  if (flaw !== undefined)
    throw certFailure(files, `${certFile} is ${flaw}`, "If this machine's clock is right, remove");
  let issuer: Promise<Issuer> | undefined;
  const loadIssuer = async () => (await import('./sign.ts')).issuerOf(cert, key, keyFile);
  return { cert, issuer: async () => (issuer ??= loadIssuer()) };
}

function keyFailure({ cert, key }: CertificateFiles, message: string): Failure {
  return new Failure('preflight', message, {
    hint:
      `Put back the ${key} that belongs to ${cert}. If it is lost, start anew, after a down --purge of this node: ` +
      'what is in the cluster trusts that key alone.',
  });
}

function certFailure({ cert, key }: CertificateFiles, message: string, remove: string): Failure {
  return new Failure('preflight', message, {
    hint:
      `${remove} ${cert}: the next up signs it again with ${key}, ` +
      'and what trusts that key goes on working.',
  });
}
