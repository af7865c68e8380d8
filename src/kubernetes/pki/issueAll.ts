import { ensureKubeconfigs } from '../kubeconfig/kubeconfig.ts';
import type { Identity } from './leaves.ts';
import { ensurePki } from './pki.ts';

/** All certificates of a node and the kubeconfigs that point at them. */
export interface Order {
  /** The node's name (`--name`). */
  readonly name: string;
  readonly identity: Identity;
  readonly pkiDir: string;
  readonly kubeconfigDir: string;
  /** The API server as the components reach it, and as the administrator does. */
  readonly server: string;
  readonly adminServer: string;
}

/**
 * Creates what is missing, and replaces what is no longer valid. `report` receives what is issued and why. Rejects with the
 * reason of `signal` soon after that has aborted; every file is then whole or does not exist.
 */
export async function issueAll(
  order: Order,
  report: (reason: string) => void,
  signal: AbortSignal,
): Promise<void> {
  const { name, identity, pkiDir, kubeconfigDir, server, adminServer } = order;
  const pki = await ensurePki({ dir: pkiDir, ...identity, report, signal });
  signal.throwIfAborted();
  await ensureKubeconfigs({ dir: kubeconfigDir, server, adminServer, pki, name });
}
