import { Failure } from '../../lib/errors.ts';
import type { Leaf } from './leaves.ts';
import { leafFlaw, parseCertificate } from './check.ts';
import { writeFileAtomicallySync } from '../../lib/atomicFile.ts';
import { publicMode, readIfThere } from './files.ts';
import { ensureReplaceableKey, parseKey } from './keys.ts';
import type { StoredKey } from './keys.ts';
import type { CertificateFiles } from './paths.ts';
import type { Authority } from './sign.ts';

/** How often a leaf is issued in one call: more than once only while another process writes the same files. */
const attempts = 3;

/**
 * The certificate `leaf` and its private key in `files`: kept if valid, issued again if not, and then checked again. A key
 * that can be read is kept, so that processes that issue it concurrently agree on it.
 */
export async function ensureLeaf(
  leaf: Leaf,
  files: CertificateFiles,
  authority: Authority,
  now: Date,
  report: (reason: string) => void,
): Promise<void> {
  let flaw = await flawOnDisk(leaf, files, authority, now);
  for (let attempt = 0; flaw !== undefined && attempt < attempts; attempt++) {
    report(`issuing ${files.cert}: ${flaw}`);
    const stored = await ensureReplaceableKey(files.key);
    if (stored !== undefined) {
      const { signLeaf } = await import('./sign.ts');
      writeFileAtomicallySync(files.cert, await signLeaf(leaf, stored.key, authority, now), {
        mode: publicMode,
      });
    }
    flaw = await flawOnDisk(leaf, files, authority, now, stored);
  }
  if (flaw !== undefined) {
    throw new Failure('preflight', `${files.cert} was issued and still cannot be used: ${flaw}`, {
      hint: 'Check the names and addresses in the configuration, and that nothing else writes these files.',
    });
  }
}

/** Why the leaf on the disk cannot be used, or undefined when it can. `known`: the key that is expected there. */
async function flawOnDisk(
  leaf: Leaf,
  files: CertificateFiles,
  authority: Authority,
  now: Date,
  known?: StoredKey,
): Promise<string | undefined> {
  const [certPem, keyPem] = await Promise.all([readIfThere(files.cert), readIfThere(files.key)]);
  if (certPem === undefined) return 'not there yet';
  if (keyPem === undefined) return 'its private key is missing';
  const cert = parseCertificate(certPem);
  if (cert === undefined) return 'not a certificate in PEM form';
  // OpenSSL takes longer to read a key than all the rest takes.
  const key = keyPem === known?.pem ? known.key : parseKey(keyPem);
  if (key === undefined) return 'its private key cannot be read';
  return leafFlaw(leaf, cert, key, authority.cert, now);
}
