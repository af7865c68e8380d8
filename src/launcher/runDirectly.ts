import type { NodeLocks } from '../instance/nodeLocks.ts';
import { discardCertificateWorker, preforkCertificateWorker } from '../kubernetes/pki/issuing.ts';
import { nodePaths } from '../lib/paths.ts';
import type { Signals } from '../lib/signals.ts';
import type { BootSpec } from '../supervisor/bootSpec.ts';
import { directHost } from '../supervisor/directHost.ts';
import { runNode } from '../supervisor/runNode.ts';

/** Runs the node in this process, on the host or container around it. Resolves with the exit code. */
export async function runDirectly(spec: BootSpec, locks: NodeLocks, signals: Signals): Promise<number> {
  const { node } = spec.config;
  if (node.kubernetes !== false) preforkCertificateWorker(nodePaths(node.name, node.dataDir).pki);
  try {
    return await runNode(spec, await directHost(node, locks), signals);
  } finally {
    discardCertificateWorker();
  }
}
