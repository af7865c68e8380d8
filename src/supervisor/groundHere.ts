import { networkInterfaces } from 'node:os';
import type { NodeConfig } from '../config/schema/node.ts';
import type { Binaries } from '../install/install.ts';
import { createNodeCgroup, joinNodeCgroup, leaveNodeCgroup } from '../host/cgroup/nodeCgroup.ts';
import { recordUndo } from '../host/undoJournal.ts';
import { claim } from '../instance/claim.ts';
import { cleanUpLeftovers, cleanUp } from '../instance/cleanUp.ts';
import { prepareHost } from '../host/prepareHost.ts';
import { recordSupervisor } from '../instance/pidFile.ts';
import { ownAddress } from '../host/ownAddress.ts';
import { chainsOf } from '../host/packetFilter.ts';
import { assertRoot, inContainer } from '../host/preflight.ts';
import { bridgeName } from '../kubernetes/components/cni.ts';
import { nodePaths } from '../lib/paths.ts';
import type { Ground } from './ground.ts';

/** Makes the ground of a node without a box: a lock, a cgroup, and what else the machine or container lacks. */
export async function settleHere({ name, dataDir, kubernetes }: NodeConfig): Promise<Ground> {
  const { run, data, kubelet } = nodePaths(name, dataDir);
  const traces = { name, run, data };
  assertRoot();
  const ip = kubernetes === false ? '127.0.0.1' : await ownAddress();
  const claimed = await claim(traces);
  await cleanUpLeftovers(traces);
  const leave = async (): Promise<void> => {
    await leaveNodeCgroup();
    await cleanUp(traces);
    claimed.close();
  };
  try {
    await createNodeCgroup(name);
    await joinNodeCgroup(name);
    recordSupervisor(run, data);
    // A graph of plain programs asks nothing of the machine.
    const findings =
      kubernetes === false
        ? []
        : await prepareHost({ run, data, kubelet, inContainer: inContainer() !== undefined });
    return { ip, findings, attend: async ({ files }) => rememberNetwork(run, files), leave };
  } catch (error) {
    // What could not be made may not be left, either.
    await leave().catch(() => undefined);
    throw error;
  }
}

/** What the node makes in the network around it, to be taken back: what there is already belongs to somebody else. */
async function rememberNetwork(run: string, files: Binaries['files']): Promise<void> {
  if (!Object.hasOwn(networkInterfaces(), bridgeName)) {
    await recordUndo(run, { kind: 'interface', name: bridgeName });
  }
  for (const family of ['iptables', 'ip6tables'] as const) {
    const programs = { save: files[`${family}-save`], restore: files[`${family}-restore`] };
    const before = await chainsOf(programs, chainPrefixes).catch(() => undefined);
    if (before?.length === 0) await recordUndo(run, { kind: 'chains', prefixes: chainPrefixes, ...programs });
  }
}

/** The chains of kubelet, kube-proxy and the CNI plugins. */
const chainPrefixes = ['KUBE-', 'CNI-'];
