import { readFile, stat, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { parse, stringify } from 'yaml';
import { kubeconfigPaths } from '../../../src/kubernetes/kubeconfig/clients.ts';
import { adminKubeconfig, ensureKubeconfigs } from '../../../src/kubernetes/kubeconfig/kubeconfig.ts';
import { madePki, temporaryFolder } from '../../support/pki.ts';

const server = 'https://127.0.0.1:6443';

interface Entry {
  readonly name: string;
  readonly context: { readonly cluster: string; readonly user: string };
  readonly cluster: unknown;
  readonly user: unknown;
}

function entry(list: readonly Entry[], name: string): Entry {
  const found = list.find((each) => each.name === name);
  if (found === undefined) throw new Error(`no entry ${name}`);
  return found;
}

/** The cluster and user of the current context, looked up as kubectl does. */
async function current(file: string): Promise<{ cluster: unknown; user: unknown }> {
  const config = parse(await readFile(file, 'utf8'));
  const { context } = entry(config.contexts, config['current-context']);
  return {
    cluster: entry(config.clusters, context.cluster).cluster,
    user: entry(config.users, context.user).user,
  };
}

test('each component gets a kubeconfig that refers to its own certificate', async () => {
  const { pki } = await madePki();
  const dir = join(await temporaryFolder(), 'kubeconfig');
  const paths = await ensureKubeconfigs({ dir, server, pki });
  expect(paths).toEqual(kubeconfigPaths(dir));
  for (const name of ['kubelet', 'controllerManager', 'scheduler', 'proxy'] as const) {
    await expect(current(paths[name])).resolves.toEqual({
      cluster: { server, 'certificate-authority': pki.ca.cert },
      user: { 'client-certificate': pki[name].cert, 'client-key': pki[name].key },
    });
  }
});

test('the kubeconfig of the admin embeds its certificates and key', async () => {
  const { pki } = await madePki();
  const { admin } = await ensureKubeconfigs({ dir: await temporaryFolder(), server, pki });
  const base64 = await Promise.all(
    [pki.ca.cert, pki.admin.cert, pki.admin.key].map((file) => readFile(file, 'base64')),
  );
  await expect(current(admin)).resolves.toEqual({
    cluster: { server, 'certificate-authority-data': base64[0] },
    user: { 'client-certificate-data': base64[1], 'client-key-data': base64[2] },
  });
  await expect(adminKubeconfig({ server, pki })).resolves.toBe(await readFile(admin, 'utf8'));
  expect(parse(await adminKubeconfig({ server, pki, name: 'two' }))['current-context']).toBe(
    'k8s-single-two',
  );
});

test.each([
  ['https://127.0.0.1:6443', '/var/lib/k8s-single/n/pki', 'n'],
  ['https://[fd00::1]:6443', '/data/a: b #c/"d" \\ {e}', 'n'],
  ['https://h', "/da\u00fc/'x'\ty\nz", '1.0'],
  ['yes', '/data/k:', '-'],
  ['1e3', '/', 'k: v'],
])('any server (%s), folder (%j) and name (%s) is quoted as YAML needs it', async (url, folder, name) => {
  const { pki } = await madePki();
  const kubelet = { cert: `${folder}/kubelet.crt`, key: folder };
  const paths = await ensureKubeconfigs({
    dir: await temporaryFolder(),
    server: url,
    pki: { ...pki, kubelet },
    name,
  });
  await expect(current(paths.kubelet)).resolves.toEqual({
    cluster: { server: url, 'certificate-authority': pki.ca.cert },
    user: { 'client-certificate': kubelet.cert, 'client-key': kubelet.key },
  });
  expect(parse(await readFile(paths.admin, 'utf8'))['current-context']).toBe(`k8s-single-${name}`);
});

test('an ordinary kubeconfig is as the YAML library writes it', async () => {
  const { pki } = await madePki();
  const paths = await ensureKubeconfigs({ dir: await temporaryFolder(), server, pki });
  for (const path of Object.values(paths)) {
    const text = await readFile(path, 'utf8');
    expect(text).toBe(stringify(parse(text), { indentSeq: false, lineWidth: 0 }));
  }
});

test('only the owner can read a kubeconfig, and an unchanged one is not rewritten', async () => {
  const { pki } = await madePki();
  const dir = await temporaryFolder();
  const paths = await ensureKubeconfigs({ dir, server, pki });
  for (const file of Object.values(paths)) expect((await stat(file)).mode & 0o777).toBe(0o600);
  const past = new Date('2020-01-01');
  await Promise.all(Object.values(paths).map((file) => utimes(file, past, past)));
  await writeFile(paths.proxy, 'half a file');
  await ensureKubeconfigs({ dir, server, pki });
  expect((await stat(paths.kubelet)).mtime).toEqual(past);
  expect((await stat(paths.admin)).mtime).toEqual(past);
  await expect(current(paths.proxy)).resolves.toHaveProperty('cluster.server', server);
  await ensureKubeconfigs({ dir, server: 'https://127.0.0.1:7443', pki });
  await expect(current(paths.kubelet)).resolves.toHaveProperty('cluster.server', 'https://127.0.0.1:7443');
});

test('the error names a folder that cannot be made, with the reason', async () => {
  const { pki } = await madePki();
  const file = join(await temporaryFolder(), 'file');
  await writeFile(file, '');
  await expect(ensureKubeconfigs({ dir: join(file, 'kubeconfig'), server, pki })).rejects.toMatchObject({
    code: 'preflight',
    message: expect.stringMatching(/the kubeconfigs in .*file\/kubeconfig cannot be written: ENOTDIR/u),
  });
});
