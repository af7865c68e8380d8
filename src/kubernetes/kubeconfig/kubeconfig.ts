import { mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { stringify } from 'yaml';
import { Failure, reasonOf } from '../../lib/errors.ts';
import { privateMode, readIfThere, replaceFile } from '../pki/files.ts';
import type { CertificateFiles, Pki } from '../pki/paths.ts';

/** The files that {@link ensureKubeconfigs} makes: one for each user of the API. */
export interface Kubeconfigs {
  readonly admin: string;
  readonly kubelet: string;
  readonly controllerManager: string;
  readonly scheduler: string;
  readonly proxy: string;
}

/** Where the kubeconfigs of the node lie in `dir`. Computed; the disk is not touched. */
export function kubeconfigPaths(dir: string): Kubeconfigs {
  const file = (user: string): string => join(dir, `${user}.conf`);
  return {
    admin: file('admin'),
    kubelet: file('kubelet'),
    controllerManager: file('kube-controller-manager'),
    scheduler: file('kube-scheduler'),
    proxy: file('kube-proxy'),
  };
}

/** What the cluster, user and context of the node `name` (`--name`) are called in a kubeconfig. */
export function contextName(name: string): string {
  return `k8s-single-${name}`;
}

/** How a kubeconfig reaches the API server. */
interface Access {
  /** Such as `https://127.0.0.1:6443`. */
  readonly server: string;
  readonly pki: Pki;
  /** The node's name (`--name`). Default: `default`. */
  readonly name?: string;
}

interface Places {
  readonly dir: string;
  /** The server for the administrator, who may be on another machine. Default: as for the components. */
  readonly adminServer?: string;
}

/**
 * Writes the kubeconfigs of all components and the admin's into `dir`, mode 0600, where their content has changed.
 * Those of components refer to the files of `pki`; the admin's holds everything and can be copied.
 */
export async function ensureKubeconfigs(options: Access & Places): Promise<Kubeconfigs> {
  const { dir, server, adminServer = server, pki, name = 'default' } = options;
  const paths = kubeconfigPaths(dir);
  const reference = (user: CertificateFiles): string =>
    kubeconfig(
      contextName(name),
      { server, 'certificate-authority': pki.ca.cert },
      { 'client-certificate': user.cert, 'client-key': user.key },
    );
  try {
    await mkdir(dir, { recursive: true, mode: 0o700 });
    await Promise.all([
      adminKubeconfig({ server: adminServer, pki, name }).then((text) => writeChanged(paths.admin, text)),
      writeChanged(paths.kubelet, reference(pki.kubelet)),
      writeChanged(paths.controllerManager, reference(pki.controllerManager)),
      writeChanged(paths.scheduler, reference(pki.scheduler)),
      writeChanged(paths.proxy, reference(pki.proxy)),
    ]);
  } catch (error) {
    throw new Failure('preflight', `the kubeconfigs in ${dir} cannot be written: ${reasonOf(error)}`, {
      cause: error,
    });
  }
  return paths;
}

/** The admin's kubeconfig as YAML, with the certificates and the key in it. */
export async function adminKubeconfig({ server, pki, name = 'default' }: Access): Promise<string> {
  const [ca, cert, key] = await Promise.all([
    readFile(pki.ca.cert, 'base64'),
    readFile(pki.admin.cert, 'base64'),
    readFile(pki.admin.key, 'base64'),
  ]);
  return kubeconfig(
    contextName(name),
    { server, 'certificate-authority-data': ca },
    { 'client-certificate-data': cert, 'client-key-data': key },
  );
}

/** A kubeconfig with one cluster, one user and one context, all called `name`. */
function kubeconfig(name: string, cluster: Record<string, string>, user: Record<string, string>): string {
  const content = {
    apiVersion: 'v1',
    kind: 'Config',
    clusters: [{ name, cluster }],
    users: [{ name, user }],
    contexts: [{ name, context: { cluster: name, user: name } }],
    'current-context': name,
  };
  // As kubectl writes it: lists not indented, long lines not folded.
  return stringify(content, { indentSeq: false, lineWidth: 0 });
}

async function writeChanged(file: string, text: string): Promise<void> {
  if ((await readIfThere(file)) !== text) await replaceFile(file, text, privateMode);
}
