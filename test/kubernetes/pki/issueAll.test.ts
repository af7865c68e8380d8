import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { issueAll } from '../../../src/kubernetes/pki/issueAll.ts';
import { contents, identity, temporaryFolder } from '../../support/pki.ts';

const server = 'https://127.0.0.1:6443';

/** Aborts at the report with this number, counted from 0, and returns how issueAll ended: `done` or the reason. */
async function stoppedAt(nth: number, dir: string): Promise<string> {
  const stop = new AbortController();
  let reports = 0;
  const report = (): void => {
    expect(stop.signal.aborted).toBe(false);
    if (reports++ === nth) stop.abort(new Error('stopped'));
  };
  const order = { name: 'n', identity, pkiDir: join(dir, 'pki'), kubeconfigDir: join(dir, 'kubeconfig') };
  return issueAll({ ...order, server, adminServer: server }, report, stop.signal).then(
    () => 'done',
    (reason: Error) => reason.message,
  );
}

test('a stop at any moment completes the certificate that is being made, and leaves no half file', async () => {
  const dir = await temporaryFolder();
  const ends: string[] = [];
  do ends.push(await stoppedAt(ends.length, join(dir, `${ends.length}`)));
  while (ends.at(-1) !== 'done');
  expect(ends.length).toBeGreaterThan(5);
  expect(new Set(ends.slice(0, -1))).toEqual(new Set(['stopped']));
  for (const nth of ends.keys()) {
    const files = await contents(join(dir, `${nth}`, 'pki'));
    for (const [name, text] of Object.entries(files))
      expect(text, name).toMatch(/^-----BEGIN [^]+-----END [^-]+-----\s*$/);
    // No key is left without its certificate.
    const keys = Object.keys(files).filter((name) => name.endsWith('.key') && name !== 'sa.key');
    for (const key of keys) expect(files).toHaveProperty([key.replace(/key$/, 'crt')]);
  }
});

test('the kubeconfigs are complete when it is done', async () => {
  const dir = await temporaryFolder();
  await expect(stoppedAt(-1, dir)).resolves.toBe('done');
  const files = await readdir(join(dir, 'kubeconfig'));
  expect(files.toSorted()).toEqual([
    'admin.conf',
    'coredns.conf',
    'kube-controller-manager.conf',
    'kube-proxy.conf',
    'kube-scheduler.conf',
    'kubelet.conf',
  ]);
  for (const file of files) expect((await stat(join(dir, 'kubeconfig', file))).size).toBeGreaterThan(0);
});
