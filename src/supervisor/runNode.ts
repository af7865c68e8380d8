import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Config } from '../config/config.ts';
import { unknownIp } from '../config/yaml/variables.ts';
import type { Component } from '../engine/component.ts';
import { checkDisk } from '../host/diskSpace.ts';
import { checkProxies } from '../host/egress.ts';
import { note, toFailure } from '../host/checkResult.ts';
import type { CheckResult } from '../host/checkResult.ts';
import { checkDataMount } from '../host/dataMount.ts';
import { keepNatChains, masquerade } from '../host/natChain.ts';
import { setProcessLimits } from '../host/processLimits.ts';
import { snapshotterResult } from '../host/snapshotter.ts';
import type { Binaries } from '../install/install.ts';
import { defaultRelease, minorOf } from '../install/release/pairings.ts';
import { releasesDir } from '../install/find/cacheLayout.ts';
import { checkData } from '../kubernetes/checkData.ts';
import { renewalOf } from '../kubernetes/components/certificates.ts';
import { isUpgradeDue, openData } from '../kubernetes/dataUpgrade.ts';
import { assertDataFits } from '../kubernetes/dataVersions.ts';
import { assertDnsServer, chooseDnsServer } from '../kubernetes/dns/chooseServer.ts';
import { isJoinable, joinUrl } from '../kubernetes/join/joinable.ts';
import type { Joining } from '../kubernetes/join/membership.ts';
import { encryptionFile } from '../kubernetes/encryption.ts';
import { kubernetesNode, kubernetesWorker } from '../kubernetes/node.ts';
import { etcdAccess } from '../kubernetes/kubeconfig/clients.ts';
import { snapshotLines } from '../kubernetes/snapshots/snapshotLines.ts';
import { nodeCommand } from '../lib/commandLine.ts';
import { reasonOf } from '../lib/errors.ts';
import { fileSignatures } from '../lib/fileSignatures.ts';
import { cacheDir, nodePaths } from '../lib/paths.ts';
import type { Signals } from '../lib/signals.ts';
import type { BootSpec } from './bootSpec.ts';
import { listenerFor } from './listener.ts';
import { factsOf } from './nodeFacts.ts';
import type { NodeHost } from './nodeHost.ts';
import { portForwarder, portsOfMachine } from './ports/component.ts';
import { runGraph } from './runGraph.ts';
import type { GraphOptions } from './runGraph.ts';

/**
 * Runs a node in this process until it is asked to stop or cannot go on. Resolves with the exit code.
 * @throws Failure with the reason why the node ended, after everything was stopped and the host is as it was before
 */
export async function runNode(spec: BootSpec, host: NodeHost, signals: Signals): Promise<number> {
  const { options, startedAt, unit } = spec;
  const again = host.isSandboxed ? spec.again : undefined;
  const paths = nodePaths(spec.config.node.name, spec.config.node.dataDir);
  let hasJoined = false;
  try {
    // In a sandbox the rest of it is made while this process plans its graph.
    const config = await finalConfig(spec, host.ip);
    const listener = await listenerFor(config.node.listen, host.isSandboxed);
    const kubernetes = await planKubernetes(spec, config, host, signals, () => (hasJoined = true));
    const ports = host.isSandboxed ? (spec.ports ?? []) : await portsOfMachine(config.node.ports);
    const place = { ip: host.ip, isSandboxed: host.isSandboxed, run: paths.run };
    const builtIns = [
      ...(kubernetes?.components ?? []),
      ...(ports.length > 0 ? [portForwarder(ports, place)] : []),
    ];
    const components = await graphOf(config, builtIns);
    const checks = [...(await host.prepared), ...(kubernetes?.checks ?? [])];
    const { output } = options;
    const { beforeRestart, takeover, restart } = host;
    const follow =
      takeover && ((component: Component) => takeover.follow(component, madeFrom(component, kubernetes)));
    const common = { config, ip: host.ip, output, startedAt, signals, listener };
    const graph: GraphOptions = { ...common, checks, follow, beforeRestart, ports, unit, again, restart };
    if (kubernetes === undefined) return await runGraph(components, graph);
    const { facts, controlPlane } = kubernetes;
    if (controlPlane === undefined) {
      try {
        return await runGraph(components, { ...graph, ...kubernetes.clients });
      } finally {
        // Neither side keeps a join that came to nothing.
        if (spec.joining?.bootstrapToken !== undefined && !hasJoined)
          await abandonJoin(spec.joining, config.node);
      }
    }
    const clients = { ...kubernetes.clients, ...controlPlane };
    // In a sandbox the data folder is in its place only now.
    if (!hasOwnEtcd(config.node)) {
      // Of its versions, and of an upgrade that goes wrong, this node knows nothing.
      assertDataFits(config.node, clients.versions);
      checks.push(...checkData(paths, clients.snapshotter));
      return await runGraph(components, { ...graph, ...clients });
    }
    if (isUpgradeDue(config.node, clients.versions)) await host.takeover?.abandon();
    const { upgrade, undone } = await openData(config.node, clients.versions, {
      minFreeMiB: config.node.kubelet.minFreeMiB,
      signal: signals.interrupted,
    });
    if (undone !== undefined) checks.push(undone);
    checks.push(...checkData(paths, clients.snapshotter));
    if (upgrade === undefined) return await runGraph(components, { ...graph, ...clients });
    const { runUpgrade } = await import('./runUpgrade.ts');
    return await runUpgrade(upgrade, components, { ...graph, ...clients, facts });
  } catch (error) {
    if (options.artifacts !== undefined) {
      const { keepArtifacts } = await import('../observe/records/artifacts.ts');
      await keepArtifacts(paths, options.artifacts);
    }
    throw error;
  } finally {
    await host.leave();
  }
}

/**
 * Gives what a component is made from besides its command: the facts of the node, and files that it has read. A worker that has joined,
 * and a folder for addons with other files, are no reason to start a program again.
 */
function madeFrom({ name }: Component, kubernetes: Awaited<ReturnType<typeof planKubernetes>>) {
  if (kubernetes === undefined) return () => undefined;
  const { facts, controlPlane } = kubernetes;
  return () => [
    { ...facts, joining: facts.joining?.server, addons: undefined },
    fileSignatures(facts.config),
    controlPlane?.renewal.signatureOf(name),
    // Also the keys of Secrets: an API server that has not read the newest would let them be lost.
    name === 'apiserver' ? contentOf(encryptionFile(facts.paths)) : undefined,
  ];
}

function contentOf(file: string): string | undefined {
  return existsSync(file) ? readFileSync(file, 'utf8') : undefined;
}

async function abandonJoin({ server }: Joining, { name, dataDir, nodeName }: Config['node']): Promise<void> {
  const { forgetCluster } = await import('../kubernetes/join/leave.ts');
  await forgetCluster({ server, nodeName }, nodePaths(name, dataDir)).catch((error: unknown) => {
    console.error(`warning: ${nodeName} may stay a node of the cluster: ${reasonOf(error)}`);
  });
}

async function finalConfig(
  { options, config, hasComponents, joining }: BootSpec,
  ip: string,
): Promise<Config> {
  if (!hasComponents || ip === unknownIp) return config;
  const again = await (await import('./options.ts')).loadNodeConfig(options, ip);
  return joining === undefined ? again : (await import('./worker.ts')).workerConfig(again, joining);
}

/** The components of Kubernetes, and what clients need to know of them. `undefined` for a graph without Kubernetes. */
async function planKubernetes(
  spec: BootSpec,
  { node, file }: Config,
  host: NodeHost,
  signals: Signals,
  onJoined: () => void,
) {
  const capabilities = await host.capabilities;
  if (capabilities === undefined) return undefined;
  const binaries = spec.binaries ?? (await resolve(spec, node, signals));
  const checked = await host.onBinaries(binaries);
  const { snapshotter } = capabilities;
  const { data, kubelet } = nodePaths(node.name, node.dataDir);
  const { files, versions, searchPath } = binaries;
  // After what is to undo it was recorded.
  const packetFilter = { save: files['iptables-save'], restore: files['iptables-restore'] };
  await keepNatChains(packetFilter, [masquerade(node.network.clusterCidr)]);
  // An ephemeral node has that folder in memory.
  const dataMount = checkDataMount(kubelet, { kubernetes: versions.kubelet, snapshotter });
  if (dataMount.level === 'problem') throw toFailure(dataMount);
  const versionCache = join(cacheDir(), 'versions.json');
  const dns = await chooseDnsServer(node.dns, {
    searchPath,
    minor: minorOf(versions['kube-apiserver']),
    versionCache,
  });
  const { joining } = spec;
  if (joining !== undefined) (await import('./worker.ts')).assertFits(versions.kubelet, joining.cluster);
  const egress = spec.egress?.egress;
  const facts = factsOf(node, binaries, {
    ...capabilities,
    ip: host.ip,
    ...(host.hostIp !== undefined && { hostIp: host.hostIp }),
    isSandboxed: host.isSandboxed,
    isReachable: !host.isSandboxed || host.cluster !== undefined,
    addons: { files: spec.addonFiles, hasConfigFile: file !== undefined },
    dns: assertDnsServer(dns),
    joining,
    egress,
    // Without egress the sandbox's file names no server.
    resolvConf: host.isSandboxed && egress?.nameServer === undefined ? undefined : '/etc/resolv.conf',
  });
  const source = { node: node.name, data, etcd: etcdAccess(facts) };
  const snapshot = (signal: AbortSignal): AsyncIterable<string> => snapshotLines(source, signal);
  const { etcd: _, ...withoutEtcd } = versions;
  return {
    facts,
    components:
      joining === undefined
        ? kubernetesNode(facts)
        : kubernetesWorker(facts, joining, { onJoined, isTakenOver: host.takeover?.isFound === true }),
    checks: [
      ...checked,
      dataMount,
      snapshotterResult(snapshotter, data),
      setProcessLimits(),
      ...(spec.egress === undefined ? [] : [spec.egress.result]),
      ...(host.isSandboxed ? checkProxies(process.env) : []),
      checkDisk(data, node.kubelet.minFreeMiB, kubelet),
      dns.result,
      ...newerVersion(node, binaries),
    ],
    clients: {
      ctr: files.ctr,
      snapshotter,
      versions: hasOwnEtcd(node) ? versions : withoutEtcd,
      ...(joining !== undefined && {
        worker: {
          server: joining.server,
          nodeName: node.nodeName,
          kubernetes: joining.cluster.kubernetes,
        },
      }),
      ...(isJoinable(facts) && { joinAt: joinUrl(facts) }),
      ...(joining === undefined && !hasOwnEtcd(node) && { apiserver: joinUrl(facts) }),
      ...(host.cluster !== undefined && { cluster: host.cluster }),
    },
    ...(joining === undefined && {
      controlPlane: {
        kubectl: files.kubectl,
        ...(hasOwnEtcd(node) && { etcd: files.etcd, snapshot }),
        renewal: renewalOf(facts),
      },
    }),
  };
}

function hasOwnEtcd({ etcd }: Config['node']): boolean {
  return etcd.endpoints === undefined;
}

/** What to say when the data keeps the node at a version that is older than the default one. */
function newerVersion(node: Config['node'], { files, versions }: Binaries): CheckResult[] {
  const { 'kube-apiserver': version } = versions;
  const [last, newest] = [version, defaultRelease].map(minorOf);
  const isRelease = files['kube-apiserver'].startsWith(releasesDir(cacheDir()));
  if (node.kubernetes !== undefined || !isRelease || last! >= newest!) return [];
  return [
    note(
      'kubernetes',
      `${version}, which the data is of; the default of this k8s-single is ${defaultRelease}`,
      nodeCommand('upgrade', node, '--to', `1.${newest}`),
    ),
  ];
}

async function resolve({ options }: BootSpec, node: Config['node'], signals: Signals): Promise<Binaries> {
  const { recordUseBy, resolveBinaries } = await import('./resolveBinaries.ts');
  const binaries = await resolveBinaries(options, node, signals.interrupted);
  recordUseBy(node, options, binaries);
  return binaries;
}

/** The graph that the config makes of the built-in components. */
async function graphOf(config: Config, builtIns: readonly Component[]): Promise<readonly Component[]> {
  if (Object.keys(config.components).length === 0) return builtIns;
  // Only a config with components needs every kind of probe.
  return (await import('../config/components/toComponents.ts')).toComponents(config, builtIns);
}
