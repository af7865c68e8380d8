import { mkdir, readFile } from 'node:fs/promises';
import { Failure, reasonOf } from '../../lib/errors.ts';
import { privateMode, writeIfChanged } from '../pki/files.ts';
import type { CertificateFiles, Pki } from '../pki/paths.ts';
import { kubeconfigPaths, type Kubeconfigs } from './clients.ts';

/** The name, in a kubeconfig, of the cluster, user and context of the node `name` (`--name`). */
export function contextName(name: string): string {
  return `k8s-single-${name}`;
}

interface Access {
  /** Such as `https://127.0.0.1:6443`. */
  readonly server: string;
  readonly pki: Pki;
  /** The node's name (`--name`). Default: `default`. */
  readonly name?: string;
}

interface Destination {
  readonly dir: string;
  /** The server in the admin's kubeconfig, which may be used on another machine. Default: `server`. */
  readonly adminServer?: string;
}

/**
 * Writes the kubeconfigs of all components and of the admin to `dir`, mode 0600, unless their content is
 * unchanged. Those of the components refer to the files of `pki`. The admin's embeds them, so it can be
 * copied.
 * @throws Failure `preflight` when they cannot be written.
 */
export async function ensureKubeconfigs(options: Access & Destination): Promise<Kubeconfigs> {
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
      adminKubeconfig({ server: adminServer, pki, name }).then((text) =>
        writeIfChanged(paths.admin, text, privateMode),
      ),
      writeIfChanged(paths.kubelet, reference(pki.kubelet), privateMode),
      writeIfChanged(paths.controllerManager, reference(pki.controllerManager), privateMode),
      writeIfChanged(paths.scheduler, reference(pki.scheduler), privateMode),
      writeIfChanged(paths.proxy, reference(pki.proxy), privateMode),
      writeIfChanged(paths.dns, reference(pki.dns), privateMode),
    ]);
  } catch (error) {
    throw new Failure('preflight', `the kubeconfigs in ${dir} cannot be written: ${reasonOf(error)}`, {
      hint: `remove what is in the way: they are made again`,
      cause: error,
    });
  }
  return paths;
}

/** The admin's kubeconfig as YAML, with embedded certificates and key. */
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

/** A kubeconfig with one cluster, one user and one context, all called `name`. Without the YAML library: 15 ms of CPU. */
export function kubeconfig(
  name: string,
  cluster: Record<string, string>,
  user: Record<string, string>,
): string {
  // As kubectl writes it: no indented lists, no folded lines.
  return [
    'apiVersion: v1',
    'kind: Config',
    'clusters:',
    `- name: ${scalar(name)}`,
    '  cluster:',
    ...entries(cluster),
    'users:',
    `- name: ${scalar(name)}`,
    '  user:',
    ...entries(user),
    'contexts:',
    `- name: ${scalar(name)}`,
    '  context:',
    ...entries({ cluster: name, user: name }),
    `current-context: ${scalar(name)}`,
    '',
  ].join('\n');
}

function entries(map: Readonly<Record<string, string>>): string[] {
  return Object.entries(map).map(([key, value]) => `    ${key}: ${scalar(value)}`);
}

/** URLs, absolute paths, names of contexts, and PEM in base64, in characters that mean nothing to YAML. */
const plainScalar = /^(?:https:\/\/|\/|k8s-single-|LS0t)[\w./:=+-]*[\w/=+]$/;

/** A string in YAML: plain if it cannot be read as anything else, else in double quotes as in JSON. */
function scalar(text: string): string {
  return plainScalar.test(text) ? text : JSON.stringify(text);
}
