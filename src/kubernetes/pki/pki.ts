import { chmod, mkdir, readFile, rm } from 'node:fs/promises';
import { Failure } from '../../lib/errors.ts';
import { ensureAuthority } from './authority.ts';
import { explained, publicMode, writeIfChanged } from './files.ts';
import { authorityNames, etcdLeaves, leaves } from './leaves.ts';
import type { Identity, Leaf } from './leaves.ts';
import { ensureLeaf } from './leaf.ts';
import { pkiPaths, servingChain, signingCertificate } from './paths.ts';
import type { Pki } from './paths.ts';
import { ensureServiceAccount } from './serviceAccount.ts';
import type { Authority } from './sign.ts';

interface Place {
  /** The folder of all files. It is created, and closed to everybody but its owner. */
  readonly dir: string;
  /** The time for which certificates are checked and issued. Default: the machine's clock. */
  readonly now?: Date;
  /** Receives which certificate is issued, and why. */
  readonly report?: (reason: string) => void;
  /** Aborts between two certificates. */
  readonly signal?: AbortSignal;
}

export interface PkiOptions extends Identity, Place {}

/**
 * Creates every certificate and key that is missing in `dir`, keeps those that are valid, and issues a leaf certificate
 * again if its subject, names, addresses, CA, private key or age require it. A CA and the service account key are never
 * replaced. Safe against a second process that does the same, and completes the work of one that was killed.
 * @throws Failure `preflight` with the file and what to do, or the reason of `signal` once that has aborted
 */
export async function ensurePki(options: PkiOptions): Promise<Pki> {
  return ensure(options, async (pki) => {
    // First: etcd may be waiting for it. etcd's start also replaces a CA that cannot be used; while it runs, it trusts the one in
    // memory.
    await shareEtcdPki(options).catch((error: unknown) => {
      if (!(error instanceof Failure)) throw error;
      options.report?.(error.message);
    });
    await ensureServiceAccount(pki.serviceAccount);
    const authorities = await ensureLeaves(leaves(options), options);
    const signer = String(authorities.get('ca')!.cert);
    await writeIfChanged(signingCertificate(options.dir), signer, publicMode);
    await writeServingChain(options.dir, pki);
  });
}

async function writeServingChain(dir: string, { apiserver, ca }: Pki): Promise<void> {
  const files = [apiserver.cert, ca.cert].map(async (file) => readFile(file, 'utf8'));
  const chain = (await Promise.all(files)).join('');
  await writeIfChanged(servingChain(dir), chain, publicMode);
}

/**
 * The part of {@link ensurePki} that etcd needs, to be called when etcd does not run: the API server waits for etcd, and etcd
 * does not wait for the rest. Only etcd and its client trust this CA, so one that cannot be used is replaced.
 * @throws Failure `preflight` with the file and what to do
 */
export async function ensureEtcdPki(place: Pick<PkiOptions, 'dir' | 'report'>): Promise<Pki> {
  return ensure(place, async ({ etcdCa }) => {
    try {
      await shareEtcdPki(place);
    } catch (error) {
      if (error instanceof Failure) {
        // The key first: a certificate without its key is not completed by a process that does the same.
        await rm(etcdCa.key, { force: true });
        await rm(etcdCa.cert, { force: true });
      }
      await ensureLeaves(etcdLeaves, place);
    }
  });
}

/** By folder: etcd and the task `pki` start concurrently, and the work is done once. */
const etcdPkiInProgress = new Map<string, Promise<void>>();

async function shareEtcdPki(place: Place): Promise<void> {
  const { dir } = place;
  let work = etcdPkiInProgress.get(dir);
  if (work === undefined) {
    work = ensureLeaves(etcdLeaves, place)
      .then(() => undefined)
      .finally(() => etcdPkiInProgress.delete(dir));
    etcdPkiInProgress.set(dir, work);
  }
  return work;
}

async function ensure({ dir }: Place, make: (pki: Pki) => Promise<void>): Promise<Pki> {
  const pki = pkiPaths(dir);
  await explained(dir, async () => {
    await mkdir(dir, { recursive: true, mode: 0o700 });
    await chmod(dir, 0o700);
    await make(pki);
  });
  return pki;
}

/** Resolves with the CAs that have signed them. */
async function ensureLeaves(
  all: readonly Leaf[],
  { dir, now = new Date(), report = () => {}, signal }: Place,
): Promise<ReadonlyMap<Leaf['issuer'], Authority>> {
  const pki = pkiPaths(dir);
  const authorities = new Map<Leaf['issuer'], Authority>();
  for (const issuer of new Set(all.map((leaf) => leaf.issuer)))
    authorities.set(issuer, await ensureAuthority(pki[issuer], authorityNames[issuer], now));
  // One at a time: the work is done in this thread, which starts and probes other components meanwhile.
  for (const leaf of all) {
    signal?.throwIfAborted();
    await ensureLeaf(leaf, pki[leaf.name], authorities.get(leaf.issuer)!, now, report);
  }
  return authorities;
}
