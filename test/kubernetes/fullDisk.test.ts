import { createPrivateKey, createPublicKey, X509Certificate } from 'node:crypto';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { execa } from 'execa';
import { expect, onTestFinished, test } from 'vitest';
import { recordDataVersions } from '../../src/kubernetes/dataVersions.ts';
import { issueAll } from '../../src/kubernetes/pki/issueAll.ts';
import { writeFileAtomicallySync } from '../../src/lib/atomicFile.ts';
import { reasonOf } from '../../src/lib/errors.ts';
import { tempDir } from '../support/cli.ts';

const identity = { nodeName: 'n', nodeIp: '10.1.2.3', serviceIp: '10.0.0.1', clusterDomain: 'cluster.local' };

/** Everything that a start writes before its programs run. */
async function writeAll(dir: string): Promise<void> {
  recordDataVersions(dir, { 'kube-apiserver': '1.20.2', etcd: '3.4.23' });
  const order = { name: 'n', identity, pkiDir: join(dir, 'pki'), kubeconfigDir: join(dir, 'kubeconfig') };
  const server = 'https://127.0.0.1:6443';
  await issueAll({ ...order, server, adminServer: server }, () => undefined, new AbortController().signal);
  writeFileAtomicallySync(join(dir, 'last'), 'x'.repeat(6000));
}

/** Throws unless the file has all that it is to have. */
function assertWhole(file: string): void {
  const text = readFileSync(file, 'utf8');
  if (file.endsWith('.crt')) expect(new X509Certificate(text).subject).not.toBe('');
  else if (file.endsWith('.key')) createPrivateKey(text);
  else if (file.endsWith('.pub')) createPublicKey(text);
  else if (file.endsWith('.json')) JSON.parse(text);
  else if (file.endsWith('.conf'))
    expect(text).toMatch(/^apiVersion: v1\n[^]*\ncurrent-context: k8s-single-n\n$/);
  else expect(text).toHaveLength(6000);
}

function filesIn(dir: string): string[] {
  return ['.', 'pki', 'kubeconfig']
    .map((folder) => join(dir, folder))
    .filter((folder) => existsSync(folder))
    .flatMap((folder) => readdirSync(folder).map((name) => join(folder, name)))
    .filter((file) => /\.\w+$|last$/.test(file));
}

test('whichever write finds the disk full, every file is whole or not there, and the next start completes them', async () => {
  const dir = await tempDir('full-disk');
  await execa('mount', ['--no-mtab', '-t', 'tmpfs', '-o', 'size=4k', 'tmpfs', dir]);
  onTestFinished(async () => void (await execa('umount', ['--no-mtab', dir])));
  let failures = 0;
  for (let pages = 1; ; pages += 1) {
    await execa('mount', ['--no-mtab', '-o', `remount,size=${pages * 4}k`, 'tmpfs', dir]);
    const error = await writeAll(dir).then(
      () => undefined,
      (reason: unknown) => reason,
    );
    for (const file of filesIn(dir)) assertWhole(file);
    expect(filesIn(dir).filter((file) => file.endsWith('.tmp'))).toEqual([]);
    if (error === undefined) break;
    failures += 1;
    expect(reasonOf(error)).toMatch(/ENOSPC/);
  }
  // 3 CAs, 14 leaves, the key pair of service accounts, the API server's chain, the certificate that
  // signs requests, 6 kubeconfigs, the record and the last file.
  expect(filesIn(dir)).toHaveLength(2 * (3 + 14 + 1) + 2 + 6 + 1 + 1);
  expect(failures).toBeGreaterThan(20);
});
