import { X509Certificate } from 'node:crypto';
import { mkdtemp, readFile, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { execa } from 'execa';
import { onTestFinished } from 'vitest';
import { ensurePki } from '../../src/kubernetes/pki/pki.ts';
import type { PkiOptions } from '../../src/kubernetes/pki/pki.ts';
import type { CertificateFiles, Pki } from '../../src/kubernetes/pki/paths.ts';

export const day = 24 * 60 * 60 * 1000;

/** The identity of a typical node. */
export const identity = {
  nodeName: 'node1',
  nodeIp: '10.88.0.2',
  serviceIp: '10.0.0.1',
  clusterDomain: 'cluster.local',
};

/** Creates a folder that is removed at the end of the test. */
export async function temporaryFolder(): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), 'k8s-single-pki-'));
  onTestFinished(() => rm(dir, { recursive: true, force: true }));
  return dir;
}

/** A PKI in a folder that is removed at the end of the test. `again` ensures it once more and resolves with what was issued. */
export async function madePki(options: Partial<PkiOptions> = {}): Promise<{
  readonly dir: string;
  readonly pki: Pki;
  readonly again: (changes?: Partial<PkiOptions>) => Promise<readonly string[]>;
}> {
  const dir = join(await temporaryFolder(), 'pki');
  const pki = await ensurePki({ ...identity, dir, ...options });
  return {
    dir,
    pki,
    async again(changes = {}) {
      const issued: string[] = [];
      const report = (reason: string): void => void issued.push(reason.replace(`${dir}/`, ''));
      await ensurePki({ ...identity, dir, ...options, ...changes, report });
      return issued.sort();
    },
  };
}

export async function certificateOf({ cert }: CertificateFiles): Promise<X509Certificate> {
  return new X509Certificate(await readFile(cert));
}

/** The content of each file in a folder, by name. */
export async function contents(dir: string): Promise<Readonly<Record<string, string>>> {
  const names = await readdir(dir);
  const read = names.map(async (name) => [name, await readFile(join(dir, name), 'utf8')] as const);
  return Object.fromEntries(await Promise.all(read));
}

/** The output of openssl. @throws Error unless it exits with 0 */
export async function openssl(...args: readonly string[]): Promise<string> {
  const { stdout } = await execa('openssl', args);
  return stdout;
}

/** Options of `openssl req` for a new key of the type that the program uses. */
export const p256 = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes'] as const;

/** Replaces the files by a self-signed CA that openssl creates. */
export async function foreignAuthority(
  { cert, key }: CertificateFiles,
  subject: string,
  ...options: readonly string[]
): Promise<void> {
  const usage = ['-addext', 'keyUsage=critical,keyCertSign', '-addext', 'authorityKeyIdentifier=none'];
  const keyFile = options.includes('-newkey') ? '-keyout' : '-key';
  await openssl(
    'req',
    '-x509',
    '-out',
    cert,
    keyFile,
    key,
    '-days',
    '3650',
    '-subj',
    subject,
    ...usage,
    ...options,
  );
}
