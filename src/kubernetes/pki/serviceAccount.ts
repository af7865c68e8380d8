import { createPublicKey } from 'node:crypto';
import { Failure } from '../../lib/errors.ts';
import { writeFileAtomically } from '../../lib/atomicFile.ts';
import { publicMode, readIfThere } from './files.ts';
import { ensureKey } from './keys.ts';
import type { Pki } from './paths.ts';

/**
 * The key pair of the service accounts: made when neither file is there, the public key written again from the
 * private one when it differs.
 *
 * Rejects with a {@link Failure} when the private key is lost or cannot be read: tokens in the cluster were signed with it.
 */
export async function ensureServiceAccount(files: Pki['serviceAccount']): Promise<void> {
  // The public key is made last and looked for first, as with a CA.
  const found = await readIfThere(files.public);
  if (found !== undefined && (await readIfThere(files.private)) === undefined) {
    throw lost(files, `${files.private} is missing: ${files.public} is there without its private key`);
  }
  const key = await ensureKey(files.private);
  if (key === undefined) throw lost(files, `${files.private} is not a private key in PEM form`);
  const pem = createPublicKey(key).export({ type: 'spki', format: 'pem' }).toString();
  if (pem !== found) await writeFileAtomically(files.public, pem, { mode: publicMode });
}

function lost(files: Pki['serviceAccount'], message: string): Failure {
  return new Failure('preflight', message, {
    hint:
      `Put ${files.private} back. If it is lost, remove both files: a new pair is made, and every pod that holds ` +
      'a token must be created again.',
  });
}
