import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { totalmem } from 'node:os';
import { dirname, join } from 'node:path';
import type { Config } from '../../config/config.ts';
import { findPortHolder } from '../../engine/supervise/ports.ts';
import { checkCgroups } from '../../host/cgroup/controllers.ts';
import { isInNodeCgroup } from '../../host/cgroup/nodeCgroup.ts';
import { note, ok, problem } from '../../host/checkResult.ts';
import type { CheckResult } from '../../host/checkResult.ts';
import { checkDisk } from '../../host/diskSpace.ts';
import { checkProxies, planEgress } from '../../host/egress.ts';
import { checkDataMount } from '../../host/dataMount.ts';
import { checkFirewall } from '../../host/firewall.ts';
import { checkInotifyLeft } from '../../host/inotify.ts';
import { checkKernelLog } from '../../host/kernelLog.ts';
import { checkMountPropagation } from '../../host/mountPropagation.ts';
import { checkOomScore } from '../../host/oomScore.ts';
import { ownAddress } from '../../host/ownAddress.ts';
import {
  assertCanIsolate,
  checkClock,
  checkDataOwner,
  checkDataFolder,
  checkDataPath,
  inContainer,
} from '../../host/preflight.ts';
import { assertRoot } from '../../host/root.ts';
import { setProcessLimits } from '../../host/processLimits.ts';
import { checkSwap } from '../../host/resources.ts';
import { checkNameServers } from '../../host/resolvConf.ts';
import { checkRanges } from '../../host/serviceRoute.ts';
import { chooseSnapshotter, snapshotterResult, systemFoldersResult } from '../../host/snapshotter.ts';
import { checkSysctls } from '../../host/sysctls.ts';
import { nodeBinaries } from '../../install/find/binaries.ts';
import { binaryRows, foldersToSearch } from '../../install/find/binaryRows.ts';
import type { BinaryRow } from '../../install/find/binaryRows.ts';
import { defaultRelease, minorOf } from '../../install/release/pairings.ts';
import { removeDeadNodes } from '../../instance/deadNodes.ts';
import { assertNotInUseByOther } from '../../instance/lock.ts';
import { readNodeFile } from '../../instance/nodeFile.ts';
import type { NodeFile } from '../../instance/nodeFile.ts';
import { bridgeName } from '../../kubernetes/components/cni.ts';
import { versionOfData } from '../../kubernetes/dataVersions.ts';
import { chooseDnsServer } from '../../kubernetes/dns/chooseServer.ts';
import { kubeconfigPaths } from '../../kubernetes/kubeconfig/clients.ts';
import { nodeCommand } from '../../lib/commandLine.ts';
import { Failure, reasonOf } from '../../lib/errors.ts';
import { cacheDir, nodePaths, nearestExisting } from '../../lib/paths.ts';
import type { Paths } from '../../lib/paths.ts';
import { sandboxSpecOf } from '../../launcher/launch.ts';
import { plannedSubnet } from '../../sandbox/network.ts';
import { podTraffic } from '../../supervisor/directHost.ts';
import { loadNodeConfig } from '../../supervisor/options.ts';
import type { ConfigOptions } from '../../supervisor/options.ts';
import { findPasta } from '../../supervisor/resolveBinaries.ts';
import { plannedGraph } from '../../supervisor/plannedGraph.ts';

export interface DoctorOptions extends Pick<ConfigOptions, 'config' | 'name' | 'dataDir' | 'binDir'> {
  readonly host?: boolean;
}

/** An idle node takes about 1 GiB, and pods need some, too. In bytes. */
const enoughMemory = 2 * 2 ** 30;

/**
 * Checks everything that `up` with these options depends on. Changes nothing but what nodes have left that were killed.
 * @throws Failure `usage` when the config is not valid.
 */
export async function runChecks({ host = false, ...options }: DoctorOptions): Promise<CheckResult[]> {
  const config = await loadNodeConfig(options);
  const { name, dataDir, binDirs, kubernetes } = config.node;
  const hasKubernetes = kubernetes !== false;
  const running = await readNodeFile(name).catch(() => undefined);
  const paths = nodePaths(name, dataDir ?? running?.dataDir);
  const container = inContainer();
  const isDirect = host || container !== undefined || !hasKubernetes;
  const requested = kubernetes ?? versionOfData({ name, dataDir: paths.data }, cacheDir());
  const request = typeof requested === 'string' && /^\d/.test(requested) ? requested : undefined;
  const rows = hasKubernetes ? await binaryRows({ binDirs, cacheDir: cacheDir(), kubernetes: request }) : [];
  const kubelet = rows.find(({ binary }) => binary === 'kubelet')?.version;
  return [
    await checkSafely('root', async () => {
      assertRoot();
      return ok('root', 'yes');
    }),
    await checkSafely('isolation', async () => {
      if (host) return ok('isolation', 'off, by --host');
      if (container !== undefined) return ok('isolation', `not needed: ${container}`);
      if (!hasKubernetes) return ok('isolation', 'not needed: a graph without Kubernetes');
      await assertCanIsolate();
      return ok('isolation', 'namespaces can be made');
    }),
    ...(hasKubernetes ? [checkClock(), checkDataPath(paths.data), checkDataOwner(paths.data)] : []),
    ...[checkDataFolder(paths.data)].filter(({ level }) => level === 'problem'),
    ...(hasKubernetes
      ? await checkHost(paths, { isDirect, inContainer: container !== undefined, kubernetes: kubelet })
      : []),
    await checkSafely('data', async () => {
      await assertNotInUseByOther(paths.data, name);
      return ok('data', paths.data);
    }),
    ...(hasKubernetes ? checkBinaries(rows) : []),
    ...(hasKubernetes ? [await checkSafely('dns', async () => checkDns(config, rows))] : []),
    ...(isDirect && hasKubernetes
      ? [
          await checkNameServers(),
          await checkRanges(config.node.network, bridgeName),
          await checkPodTraffic(config, rows),
        ]
      : []),
    ...(isDirect ? await checkPorts(config, rows) : await checkSubnet(config, rows, running)),
    ...(isDirect
      ? []
      : [
          planEgress(config.node.network.egress ?? 'auto', findPasta(binDirs)).result,
          ...checkProxies(process.env),
        ]),
    checkRunning(name, running),
    ...(await checkDeadNodes()),
    ...(hasKubernetes ? [checkMemory(), checkDisk(paths.data, config.node.kubelet.minFreeMiB)] : []),
  ];
}

/** The result of the check, or a problem if it rejects. */
async function checkSafely(subject: string, check: () => Promise<CheckResult>): Promise<CheckResult> {
  try {
    return await check();
  } catch (error) {
    const remedy = error instanceof Failure ? error.hint : undefined;
    const message = reasonOf(error);
    return { level: 'problem', subject, message, ...(remedy === undefined ? {} : { remedy }) };
  }
}

interface Surroundings {
  readonly isDirect: boolean;
  readonly inContainer: boolean;
  /** The version of the kubelet. Undefined when none is found. */
  readonly kubernetes: string | undefined;
}

/** Shows what `up` would find on this machine, and what it would choose. */
async function checkHost(
  paths: Paths,
  { isDirect, inContainer: isContainer, kubernetes }: Surroundings,
): Promise<CheckResult[]> {
  const { data, containerd } = paths;
  const snapshotter = await chooseSnapshotter(containerd).catch(() => undefined);
  return [
    await checkCgroups(),
    ...(await checkSysctls(isDirect)),
    ...[checkInotifyLeft(isDirect)].filter((result) => result !== undefined),
    checkKernelLog(),
    checkOomScore(),
    // Of this process alone: whether it may.
    setProcessLimits(),
    await checkSwap(),
    ...(isDirect
      ? [
          await checkSafely('address', async () => checkAddress(paths)),
          await checkSafely('mounts', async () => checkMountPropagation(nearestExisting(data), isContainer)),
        ]
      : []),
    checkDataMount(data, { kubernetes, snapshotter }),
    await checkSafely('snapshotter', async () =>
      snapshotterResult(await chooseSnapshotter(containerd), data),
    ),
    ...(isDirect
      ? []
      : [
          await checkSafely('hostPath', async () =>
            systemFoldersResult(await chooseSnapshotter(containerd), data),
          ),
        ]),
  ];
}

/** A changed address is fine, as that of a new container: the node keeps its data. */
async function checkAddress({ kubeconfigs }: Paths): Promise<CheckResult> {
  const address = await ownAddress();
  const text = await readFile(kubeconfigPaths(kubeconfigs).admin, 'utf8').catch(() => '');
  const last = /server: https:\/\/([^:\s]+)/.exec(text)?.[1];
  const isNew = last !== undefined && last !== address;
  return ok('address', isNew ? `${address}, was ${last}: certificates will be issued again` : address);
}

function checkBinaries(rows: readonly BinaryRow[]): CheckResult[] {
  const bad = rows.filter(({ problem: reason }) => reason !== undefined);
  const summary = ok('binaries', `${rows.length - bad.length} of ${rows.length} found`);
  return [summary, ...bad.map(badBinary)];
}

/** `up` itself installs what is missing. */
function badBinary({ binary, problem: message = '', remedy }: BinaryRow): CheckResult {
  const level = message === 'missing' && canInstall(binary) ? 'note' : 'problem';
  return { level, subject: binary, message, ...(remedy === undefined ? {} : { remedy }) };
}

/** Whether there is a package or an official release of it, as far as one can say without asking a server. */
function canInstall(binary: string): boolean {
  if (existsSync('/usr/bin/apt-get')) return true;
  return nodeBinaries.some((each) => each.name === binary && 'release' in each);
}

/** What answers DNS questions of the cluster. */
async function checkDns({ node }: Config, rows: readonly BinaryRow[]): Promise<CheckResult> {
  const kubernetes = versionOf(node, rows);
  const { server, result } = await chooseDnsServer(node.dns, {
    searchPath: foldersToSearch({ binDirs: node.binDirs, cacheDir: cacheDir(), kubernetes }),
    minor: minorOf(kubernetes),
    versionCache: join(cacheDir(), 'versions.json'),
  });
  const isToInstall = rows.some(({ binary, path }) => binary === 'kube-apiserver' && path === undefined);
  if (!isToInstall || node.dns.server === 'embedded' || server.kind !== 'embedded') return result;
  return ok('dns', 'CoreDNS, if Kubernetes is installed from an official release; else the embedded server');
}

/** The version of Kubernetes that is there, or that would be installed. */
function versionOf({ kubernetes }: Config['node'], rows: readonly BinaryRow[]): string {
  const found = rows.find(({ binary }) => binary === 'kube-apiserver')?.version;
  return found ?? (typeof kubernetes === 'string' && /^\d/.test(kubernetes) ? kubernetes : defaultRelease);
}

/** Checks the ports of all services: some depend on the config, some on the version of Kubernetes. */
async function checkPorts(config: Config, rows: readonly BinaryRow[]): Promise<CheckResult[]> {
  const ports = plannedGraph(config, versionOf(config.node, rows)).flatMap((component) =>
    component.kind === 'service'
      ? (component.ports ?? []).map((port) => ({ port, name: component.name }))
      : [],
  );
  const { name: node } = config.node;
  const taken = await Promise.all(
    ports.map(async ({ port, name }) => ({ port, name, holder: await findPortHolder(port) })),
  );
  const isOwn = ({ pid }: { pid?: number } = {}): boolean => pid !== undefined && isInNodeCgroup(node, pid);
  const problems = taken.flatMap(({ port, name, holder }) =>
    holder === undefined || isOwn(holder) ? [] : [portProblem(port, name, holder.description)],
  );
  if (problems.length > 0) return problems;
  return [ok('ports', taken.some(({ holder }) => isOwn(holder)) ? 'held by the node itself' : 'free')];
}

function portProblem(port: number, component: string, holder: string): CheckResult {
  const message = `${component} needs it, but it is held by ${holder}`;
  return problem(`port ${port}`, message, 'stop that process, or run without --host');
}

async function checkPodTraffic({ node }: Config, rows: readonly BinaryRow[]): Promise<CheckResult> {
  const save = rows.find(({ binary }) => binary === 'iptables-save')?.path ?? 'iptables-save';
  const ip = await ownAddress().catch(() => '127.0.0.1');
  return checkSafely('firewall', async () => checkFirewall(podTraffic(node, ip, save)));
}

/** Of the node in a sandbox. Without `ip` nobody can tell yet; `up` installs it. */
async function checkSubnet(
  { node }: Config,
  rows: readonly BinaryRow[],
  running: NodeFile | undefined,
): Promise<CheckResult[]> {
  const ip = rows.find(({ binary }) => binary === 'ip')?.path;
  if (running !== undefined) return [ok('subnet', `${running.ip}: the running node`)];
  if (ip === undefined) return [];
  const plan = async (): Promise<string> =>
    plannedSubnet(sandboxSpecOf(node), [dirname(ip), process.env['PATH']].join(':'));
  return [await checkSafely('subnet', async () => ok('subnet', `${await plan()} is free`))];
}

/** The one change that a check makes: nobody else would remove what these nodes have left. */
async function checkDeadNodes(): Promise<CheckResult[]> {
  if (process.geteuid?.() !== 0) return [];
  return (await removeDeadNodes()).map((message) =>
    note('leftovers', message, 'nothing: their data is kept'),
  );
}

function checkRunning(name: string, node: NodeFile | undefined): CheckResult {
  if (node === undefined) return ok('node', `${name} is not running`);
  return note('node', `${name} is running`, nodeCommand('status', { name }));
}

function checkMemory(): CheckResult {
  const gib = `${(totalmem() / 2 ** 30).toFixed(1)} GiB`;
  if (totalmem() >= enoughMemory) return ok('memory', gib);
  return note('memory', gib, 'a node and its pods need 2 GiB');
}
