import { chmod, mkdir } from 'node:fs/promises';
import { Failure, reasonOf } from '../../lib/errors.ts';
import { ensureAuthority } from './authority.ts';
import { authorityNames, leaves } from './leaves.ts';
import type { Identity } from './leaves.ts';
import { ensureLeaf } from './leaf.ts';
import { pkiPaths } from './paths.ts';
import type { Pki } from './paths.ts';
import { ensureServiceAccount } from './serviceAccount.ts';

export interface PkiOptions extends Identity {
  /** The folder of all files. It is created, and closed to everybody but its owner. */
  readonly dir: string;
  /** The time for which certificates are checked and issued. Default: the machine's clock. */
  readonly now?: Date;
  /** Receives which certificate is issued, and why. */
  readonly report?: (reason: string) => void;
  /** Aborts between two certificates. */
  readonly signal?: AbortSignal;
}

/**
 * Creates every certificate and key that is missing in `dir`, keeps those that are valid, and issues a leaf certificate
 * again if its subject, names, addresses, CA, private key or age require it. A CA and the service account key are never
 * replaced. Safe against a second process that does the same, and completes the work of one that was killed.
 * @throws Failure `preflight` with the file and what to do, or the reason of `signal` once that has aborted
 */
export async function ensurePki(options: PkiOptions): Promise<Pki> {
  const { dir, now = new Date(), report = () => {}, signal } = options;
  const pki = pkiPaths(dir);
  try {
    await mkdir(dir, { recursive: true, mode: 0o700 });
    await chmod(dir, 0o700);
    await ensureServiceAccount(pki.serviceAccount);
    const authorities = {
      ca: await ensureAuthority(pki.ca, authorityNames.ca, now),
      frontProxyCa: await ensureAuthority(pki.frontProxyCa, authorityNames.frontProxyCa, now),
    };
    // One at a time: the work is done in this thread, which starts and probes other components meanwhile.
    for (const leaf of leaves(options)) {
      signal?.throwIfAborted();
      await ensureLeaf(leaf, pki[leaf.name], authorities[leaf.issuer], now, report);
    }
  } catch (error) {
    if (!(error instanceof Error && 'syscall' in error)) throw error;
    throw new Failure(
      'preflight',
      `the certificates in ${dir} cannot be read or written: ${reasonOf(error)}`,
      { hint: 'remove what is in the way, or put the files back', cause: error },
    );
  }
  return pki;
}
