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
  /** The folder of all files; it is made, and closed to everybody but its owner. */
  readonly dir: string;
  /** The time by which certificates are judged and made. Default: the machine's clock. */
  readonly now?: Date;
  /** Told which certificate is issued, and why. */
  readonly report?: (reason: string) => void;
}

/**
 * Makes every certificate and key that is missing in `dir`, reuses what is good, and issues a leaf certificate again
 * when its subject, names, addresses, CA, private key or age demand it. A CA and the service account key are never
 * replaced. Safe against a second process that does the same, and mends what one that was killed left undone.
 *
 * Rejects with a {@link Failure} (`preflight`) that names the file when only a person can mend it.
 */
export async function ensurePki(options: PkiOptions): Promise<Pki> {
  const { dir, now = new Date(), report = () => {} } = options;
  const pki = pkiPaths(dir);
  try {
    await mkdir(dir, { recursive: true, mode: 0o700 });
    await chmod(dir, 0o700);
    const authorities = {
      ca: ensureAuthority(pki.ca, authorityNames.ca, now),
      frontProxyCa: ensureAuthority(pki.frontProxyCa, authorityNames.frontProxyCa, now),
    };
    await allDone([
      ensureServiceAccount(pki.serviceAccount),
      ...Object.values(authorities),
      ...leaves(options).map(async (leaf) => {
        await ensureLeaf(leaf, pki[leaf.name], await authorities[leaf.issuer], now, report);
      }),
    ]);
  } catch (error) {
    if (!(error instanceof Error && 'syscall' in error)) throw error;
    throw new Failure(
      'preflight',
      `the certificates in ${dir} cannot be read or written: ${reasonOf(error)}`,
      {
        cause: error,
      },
    );
  }
  return pki;
}

/** Waits until all have ended, so that nothing is written after a failure was reported; then rejects with the first. */
async function allDone(jobs: readonly Promise<unknown>[]): Promise<void> {
  const results = await Promise.allSettled(jobs);
  for (const result of results) if (result.status === 'rejected') throw result.reason;
}
