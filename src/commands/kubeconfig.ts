import { X509Certificate } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { isIP } from 'node:net';
import { nodeCommand } from '../lib/commandLine.ts';
import { serverForm, serverHost } from '../config/schema/addresses.ts';
import { Failure } from '../lib/errors.ts';
import { adminKubeconfig } from '../kubernetes/kubeconfig/kubeconfig.ts';
import { mergeKubeconfig, userKubeconfig } from '../kubernetes/kubeconfig/merge.ts';
import { pkiPaths } from '../kubernetes/pki/paths.ts';
import type { Pki } from '../kubernetes/pki/paths.ts';
import { readNodeFile } from '../instance/nodeFile.ts';
import type { NodeFile } from '../instance/nodeFile.ts';
import { nodePaths } from '../lib/paths.ts';

interface KubeconfigOptions {
  readonly name: string;
  readonly merge?: boolean;
  readonly server?: string;
}

/** `k8s-single kubeconfig`: prints the administrator's kubeconfig, or merges it into the user's. */
export async function kubeconfig({ name, merge, server }: KubeconfigOptions): Promise<number> {
  const node = await readNodeFile(name);
  const text = await kubeconfigOf(node, server ?? node.server);
  if (merge === true) {
    const file = userKubeconfig();
    mergeKubeconfig(file, text);
    console.error(`merged into ${file} as the current context`);
  } else {
    process.stdout.write(text);
  }
  return 0;
}

async function kubeconfigOf(node: NodeFile, server?: string): Promise<string> {
  const { name, dataDir, kubeconfig: file, worker } = node;
  if (worker !== undefined) {
    throw new Failure('usage', `node ${name} is a worker of ${worker.server}: it has no kubeconfig`, {
      hint: 'take that of the control plane, on its machine',
    });
  }
  if (file === undefined) {
    throw new Failure('usage', `node ${name} is a graph without Kubernetes: it has no kubeconfig`);
  }
  try {
    if (server === undefined) return await readFile(file, 'utf8');
    const pki = pkiPaths(nodePaths(name, dataDir).pki);
    await assertValidFor(server, pki);
    return await adminKubeconfig({ server, pki, name });
  } catch (cause) {
    if (cause instanceof Failure) throw cause;
    throw new Failure('notReady', `node ${name} has no kubeconfig yet`, {
      hint: `wait for it: ${nodeCommand('status', { name }, '--wait')}`,
      cause,
    });
  }
}

/** @throws Failure `usage` when the certificate of the API server is not valid for the host of this URL. */
async function assertValidFor(server: string, { apiserver }: Pki): Promise<void> {
  const host = serverHost(server);
  if (host === undefined) throw new Failure('usage', `${server} is not ${serverForm}`);
  const certificate = new X509Certificate(await readFile(apiserver.cert));
  const match = isIP(host) ? certificate.checkIP(host) : certificate.checkHost(host);
  if (match !== undefined) return;
  throw new Failure('usage', `the certificate of the API server is not valid for ${host}`, {
    hint: `start the node with K8S_SINGLE_SERVER=${server}, or with network.server in its config`,
  });
}
