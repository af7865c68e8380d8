import { networkInterfaces } from 'node:os';
import type { BootSpec } from './bootSpec.ts';
import type { NodeConfig } from '../config/schema/node.ts';
import {
  createNodeCgroup,
  joinNodeCgroup,
  killNodeCgroup,
  leaveNodeCgroup,
  ownCgroups,
} from '../host/cgroup/nodeCgroup.ts';
import { toFailure } from '../host/checkResult.ts';
import type { CheckResult } from '../host/checkResult.ts';
import { checkFirewall } from '../host/firewall.ts';
import type { PodTraffic } from '../host/firewall.ts';
import { routeProtocol } from '../helper/workers/routes.ts';
import { inspectHost } from '../host/hostCapabilities.ts';
import { chainPrefix } from '../host/natChain.ts';
import { ownAddress } from '../host/ownAddress.ts';
import { chainsOf } from '../host/packetFilter.ts';
import { prepareHost } from '../host/prepareHost.ts';
import { assertCanBoot, inContainer } from '../host/preflight.ts';
import { checkNameServers } from '../host/resolvConf.ts';
import { addServiceRoute, checkRanges } from '../host/serviceRoute.ts';
import { recordUndo } from '../host/undoJournal.ts';
import type { Binaries } from '../install/install.ts';
import { cleanUp, cleanUpLeftovers } from '../instance/cleanUp.ts';
import { recordSupervisor } from '../instance/nodeLocks.ts';
import type { NodeLocks } from '../instance/nodeLocks.ts';
import { bridgeName } from '../kubernetes/components/cni.ts';
import { completeRestore } from '../kubernetes/snapshots/completeRestore.ts';
import { nodePaths } from '../lib/paths.ts';
import type { NodeHost } from './nodeHost.ts';
import { Takeover } from './takeover.ts';

/** The chains of kubelet, kube-proxy and the CNI plugins. */
const chainPrefixes = ['KUBE-', 'CNI-'];

/**
 * Prepares the host or container around this process for a node without a sandbox: takes the data lock, makes a cgroup by
 * which everything can be found again, and whatever else is missing. The lock of the name must be held already.
 * @throws Failure `preflight` with what to do when that is not possible; then everything is taken back
 */
export async function directHost(
  { config, joining }: Pick<BootSpec, 'config' | 'joining'>,
  locks: NodeLocks,
): Promise<NodeHost> {
  const { node, components } = config;
  const { name, dataDir, kubernetes, network } = node;
  const { minFreeMiB } = node.kubelet;
  const { run, data, kubelet, containerd } = nodePaths(name, dataDir);
  const dirs = { name, run, data };
  const isPlainGraph = kubernetes === false;
  if (!isPlainGraph) assertCanBoot(data, minFreeMiB);
  const ip = isPlainGraph ? '127.0.0.1' : await ownAddress();
  await locks.acquireData(name, data);
  const takeover = await Takeover.begin(dirs, { node, components, ip });
  if (!takeover.isFound) {
    await completeRestore(data);
    await cleanUpLeftovers(dirs);
  }
  // What was left, and what is taken over, has routes in these ranges.
  const ranges =
    isPlainGraph || takeover.isFound
      ? undefined
      : await checkRanges(network, bridgeName, joining !== undefined);
  if (ranges?.level === 'problem') throw toFailure(ranges);
  let cgroups: ReadonlyMap<string, string> = new Map();
  const leave = async (): Promise<void> => {
    await takeover.abandon();
    await leaveNodeCgroup(cgroups);
    // The pods: their kubelet has stopped.
    await killNodeCgroup(name);
    await cleanUp(dirs);
    locks.handOver();
  };
  try {
    await createNodeCgroup(name);
    cgroups = ownCgroups();
    await joinNodeCgroup(name);
    recordSupervisor(run, data);
    const results: CheckResult[] = [...takeover.checks];
    // A graph of plain programs needs nothing from the host; what is taken over has it.
    if (!isPlainGraph && !takeover.isFound)
      results.push(...(await prepareHost({ run, data, kubelet, inContainer: inContainer() !== undefined })));
    if (!isPlainGraph) results.push(await checkNameServers());
    if (ranges !== undefined) results.push(ranges);
    return {
      isSandboxed: false,
      takeover,
      ip,
      capabilities: isPlainGraph ? undefined : inspectHost(containerd),
      prepared: Promise.resolve(results),
      onBinaries: async ({ files }) => {
        if (takeover.isFound) return [];
        const traffic = podTraffic({ network }, ip, files['iptables-save']);
        const [firewall] = await Promise.all([checkFirewall(traffic), recordNetworkUndo(run, files)]);
        if (firewall.level === 'problem') throw toFailure(firewall);
        await addServiceRoute(files.ip, run, network.serviceCidr, ip);
        return [firewall];
      },
      leave,
    };
  } catch (error) {
    // Take back what is half made; its own failure matters less.
    await leave().catch(() => undefined);
    throw error;
  }
}

/** The traffic of the pods of a node without a sandbox. */
export function podTraffic(
  { network }: Pick<NodeConfig, 'network'>,
  ip: string,
  iptablesSave: string,
): PodTraffic {
  return { bridge: bridgeName, podCidr: network.podCidr, ip, port: network.apiserverPort, iptablesSave };
}

/** Records what the node will make in the network around it. What is there already belongs to somebody else. */
async function recordNetworkUndo(run: string, files: Binaries['files']): Promise<void> {
  if (!Object.hasOwn(networkInterfaces(), bridgeName)) {
    await recordUndo(run, { kind: 'interface', name: bridgeName });
  }
  // The routes and rules of the helper process (helper/workers/routes.ts), and the chain of all pods (host/natChain.ts).
  const own = { save: files['iptables-save'], restore: files['iptables-restore'] };
  await recordUndo(
    run,
    { kind: 'routes', program: files.ip, protocol: routeProtocol },
    { kind: 'chains', prefixes: [chainPrefix], ...own },
  );
  for (const family of ['iptables', 'ip6tables'] as const) {
    const programs = { save: files[`${family}-save`], restore: files[`${family}-restore`] };
    const before = await chainsOf(programs, chainPrefixes).catch(() => undefined);
    if (before?.length === 0) await recordUndo(run, { kind: 'chains', prefixes: chainPrefixes, ...programs });
  }
}
