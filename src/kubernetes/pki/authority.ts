import { readFile } from 'node:fs/promises';
import { Failure } from '../../lib/errors.ts';
import { parseCertificate, timeFlaw } from './check.ts';
import { createFileAtomically } from '../../lib/atomicFile.ts';
import { publicMode, readIfThere } from './files.ts';
import { ensureKey } from './keys.ts';
import type { CertificateFiles } from './paths.ts';
import { authorityOf, signAuthority } from './sign.ts';
import type { Authority } from './sign.ts';

/**
 * The CA in `files`: made when neither file is there; its certificate signed again when only the key is. Replaces
 * nothing: everything in the cluster trusts this key.
 *
 * Rejects with a {@link Failure} when the CA is there but cannot be used, which only a person can mend.
 */
export async function ensureAuthority(
  files: CertificateFiles,
  commonName: string,
  now: Date,
): Promise<Authority> {
  const { cert: certFile, key: keyFile } = files;
  // The certificate is made last and looked for first: if it is there and the key is not, the key was lost.
  const found = await readIfThere(certFile);
  if (found !== undefined && (await readIfThere(keyFile)) === undefined) {
    throw keyFailure(files, `${keyFile} is missing: ${certFile} is a CA without its private key`);
  }
  const key = await ensureKey(keyFile);
  if (key === undefined) throw keyFailure(files, `${keyFile} is not a private key in PEM form`);
  if (found === undefined) {
    await createFileAtomically(certFile, await signAuthority(commonName, key, keyFile, now), {
      mode: publicMode,
    });
  }
  const cert = parseCertificate(found ?? (await readFile(certFile, 'utf8')));
  if (cert === undefined) throw certFailure(files, `${certFile} is not a certificate in PEM form`);
  if (!cert.checkPrivateKey(key)) {
    throw keyFailure(files, `${keyFile} is not the private key of ${certFile}`);
  }
  const flaw = cert.ca ? timeFlaw(cert, now) : 'not the certificate of a CA';
  if (flaw !== undefined) throw certFailure(files, `${certFile} is ${flaw}`);
  return authorityOf(cert, key, keyFile);
}

function keyFailure({ cert, key }: CertificateFiles, message: string): Failure {
  return new Failure('preflight', message, {
    hint:
      `Put back the ${key} that belongs to ${cert}. If it is lost, start anew, after a down --purge of this node: ` +
      'what is in the cluster trusts that key alone.',
  });
}

function certFailure({ cert, key }: CertificateFiles, message: string): Failure {
  return new Failure('preflight', message, {
    hint:
      `If this machine's clock is right, remove ${cert}: the next up signs it again with ${key}, ` +
      'and what trusts that key goes on working.',
  });
}
