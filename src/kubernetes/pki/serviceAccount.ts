import { createPublicKey } from 'node:crypto';
import { Failure } from '../../lib/errors.ts';
import { writeFileAtomicallySync } from '../../lib/atomicFile.ts';
import { publicMode, readIfThere } from './files.ts';
import { ensureKey } from './keys.ts';
import type { Pki } from './paths.ts';

/**
 * The key pair of the service accounts. Creates it if both files are missing, and writes the public key again if it
 * differs from that of the private one.
 * @throws Failure `preflight` if the private key is lost or cannot be read: it has signed the tokens in the cluster
 */
export async function ensureServiceAccount(files: Pki['serviceAccount']): Promise<void> {
  // The public key is written last and read first, as with a CA.
  const found = await readIfThere(files.public);
  if (found !== undefined && (await readIfThere(files.private)) === undefined) {
    throw lost(files, `${files.private} is missing: ${files.public} is there without its private key`);
  }
  const stored = await ensureKey(files.private, { durable: true });
  if (stored === undefined) throw lost(files, `${files.private} is not a private key in PEM form`);
  const pem = createPublicKey(stored.key).export({ type: 'spki', format: 'pem' }).toString();
  if (pem !== found) writeFileAtomicallySync(files.public, pem, { mode: publicMode, durable: true });
}

function lost(files: Pki['serviceAccount'], message: string): Failure {
  return new Failure('preflight', message, {
    hint:
      `Put ${files.private} back. If it is lost, remove both files: a new pair is made, and every pod that holds ` +
      'a token must be created again.',
  });
}
