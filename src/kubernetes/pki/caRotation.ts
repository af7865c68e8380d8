import { rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { syncToDisk, writeFileAtomicallySync } from '../../lib/atomicFile.ts';
import { Failure } from '../../lib/errors.ts';
import { certificatesIn, parseCertificate } from './check.ts';
import { explained, publicMode, readIfThere } from './files.ts';
import { ensureKey, parseKey } from './keys.ts';
import { authorityNames } from './leaves.ts';
import { pkiPaths } from './paths.ts';
import type { CertificateFiles } from './paths.ts';

/**
 * What is next for a CA that is being replaced. `trust`: its file gets the certificate of the new CA beside the old one's. `sign`: the
 * new key takes the place of the old one. `forget`: the old certificate goes. `end`: nobody has it in memory any more. Between two steps,
 * whatever uses the CA has to be restarted: see supervisor/renewal.ts. The files say how far it is, so whoever comes next goes on after
 * an interruption.
 */
type Step = 'trust' | 'sign' | 'forget' | 'end';

/** For people, in the order of the steps. */
const done = {
  trust: 'the new CAs are trusted beside the old ones',
  sign: 'the new CAs sign all certificates',
  forget: 'the old CAs are no longer trusted',
  end: 'every component has the new CAs alone',
} as const satisfies Record<Step, string>;

/** The cluster's own is the last: what was asked for in part only can be asked for again. */
const authorities = ['etcdCa', 'frontProxyCa', 'ca'] as const;

/**
 * Asks for new CAs in `dir`. While a rotation goes on, it asks for nothing more.
 * @throws Failure `preflight` with the file and what to do
 */
export async function requestCaRotation(dir: string): Promise<void> {
  const pki = pkiPaths(dir);
  await explained(dir, async () => {
    for (const name of authorities)
      if ((await stepOf(pki[name])) === undefined) await ensureKey(nextKey(pki[name]), { durable: true });
  });
}

/** Whether a rotation in `dir` has been asked for, and nothing of it was done yet. */
export async function isCaRotationOnlyRequested(dir: string): Promise<boolean> {
  const steps = await stepsIn(dir);
  return steps.includes('trust') && steps.every((step) => step === undefined || step === 'trust');
}

/** Takes back a rotation in `dir` that {@link isCaRotationOnlyRequested has only been asked for}. */
export async function withdrawCaRotation(dir: string): Promise<void> {
  const pki = pkiPaths(dir);
  await Promise.all(authorities.map(async (name) => rm(nextKey(pki[name]), { force: true })));
}

/** What the next step of a rotation in `dir` leads to, for people; undefined if there is none. Takes about a millisecond. */
export async function nextCaRotationStep(dir: string): Promise<string | undefined> {
  const steps = await stepsIn(dir);
  return Object.entries(done).find(([step]) => steps.some((each) => each === step))?.[1];
}

/** The next step of each CA. */
async function stepsIn(dir: string) {
  const pki = pkiPaths(dir);
  return Promise.all(authorities.map(async (name) => stepOf(pki[name])));
}

/**
 * Takes the next step for each CA in `dir`. Call it only when everything uses the files as they are, and when the CAs that sign now have
 * signed every certificate.
 * @throws Failure `preflight` with the file and what to do
 */
export async function advanceCaRotation(dir: string, now = new Date()): Promise<void> {
  const pki = pkiPaths(dir);
  await explained(dir, async () => {
    for (const name of authorities) {
      const files = pki[name];
      const step = await stepOf(files);
      if (step === 'trust') await trustNext(files, authorityNames[name], now);
      if (step === 'sign') await signWithNext(files);
      if (step === 'forget') await forgetOld(files);
      if (step === 'end') await rm(oldCert(files));
    }
  });
}

async function stepOf(files: CertificateFiles): Promise<Step | undefined> {
  const [text = '', next, old] = await Promise.all(
    [files.cert, nextKey(files), oldCert(files)].map(readIfThere),
  );
  if (next === undefined) {
    if (old === undefined) return undefined;
    const gone = parseCertificate(old);
    if (gone === undefined)
      throw new Failure('preflight', `${oldCert(files)} is not a certificate in PEM form`, {
        hint: `remove it, and from ${files.cert} the certificate that is no longer to be trusted`,
      });
    const isThere = certificatesIn(text).some((cert) => cert.fingerprint256 === gone.fingerprint256);
    return isThere ? 'forget' : 'end';
  }
  const key = parseKey(next);
  if (key === undefined)
    throw new Failure('preflight', `${nextKey(files)} is not a private key in PEM form`, {
      hint: 'remove it, and ask for new CAs again: k8s-single certs rotate-ca',
    });
  return certificatesIn(text).some((cert) => cert.checkPrivateKey(key)) ? 'sign' : 'trust';
}

async function trustNext(files: CertificateFiles, commonName: string, now: Date): Promise<void> {
  const [text = '', next = '', pem = ''] = await Promise.all(
    [files.cert, nextKey(files), files.key].map(readIfThere),
  );
  const [key, oldKey] = [parseKey(next), parseKey(pem)];
  const signer = certificatesIn(text).find((cert) => oldKey !== undefined && cert.checkPrivateKey(oldKey));
  // ensurePki says why.
  if (signer === undefined || key === undefined) return;
  const { signAuthority } = await import('./sign.ts');
  const added = signAuthority(commonName, key, nextKey(files), now);
  writeFileAtomicallySync(oldCert(files), String(signer), durable);
  writeFileAtomicallySync(files.cert, `${text.trimEnd()}\n${added}`, durable);
}

async function signWithNext(files: CertificateFiles): Promise<void> {
  await rename(nextKey(files), files.key);
  await syncToDisk(dirname(files.key));
}

/** What else the file has stays: a user may trust others. */
async function forgetOld(files: CertificateFiles): Promise<void> {
  const [text = '', old = ''] = await Promise.all([files.cert, oldCert(files)].map(readIfThere));
  const gone = parseCertificate(old)?.fingerprint256;
  const kept = certificatesIn(text).filter(({ fingerprint256 }) => fingerprint256 !== gone);
  writeFileAtomicallySync(files.cert, kept.map(String).join(''), durable);
}

const durable = { mode: publicMode, durable: true };

/** The key of the CA that is to come. */
const nextKey = ({ key }: CertificateFiles): string => key.replace(/\.key$/, '-next.key');

/** The certificate that is to go. */
const oldCert = ({ cert }: CertificateFiles): string => cert.replace(/\.crt$/, '-old.crt');
