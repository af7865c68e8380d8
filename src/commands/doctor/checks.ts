import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { totalmem } from 'node:os';
import type { Config } from '../../config/config.ts';
import { portHolder } from '../../engine/supervise/ports.ts';
import { checkCgroups } from '../../host/cgroup/controllers.ts';
import { note, ok, problem } from '../../host/checkResult.ts';
import type { CheckResult } from '../../host/checkResult.ts';
import { checkDisk } from '../../host/diskSpace.ts';
import { checkKernelLog } from '../../host/kernelLog.ts';
import { checkMountPropagation } from '../../host/mountPropagation.ts';
import { checkOomScore } from '../../host/oomScore.ts';
import { ownAddress } from '../../host/ownAddress.ts';
import {
  assertCanIsolate,
  assertRoot,
  checkClock,
  checkDataPath,
  inContainer,
} from '../../host/preflight.ts';
import { setProcessLimits } from '../../host/processLimits.ts';
import { checkSwap } from '../../host/resources.ts';
import { chooseSnapshotter, snapshotterResult, systemFoldersResult } from '../../host/snapshotter.ts';
import { checkSysctls } from '../../host/sysctls.ts';
import { binaryRows } from '../../install/find/binaryRows.ts';
import type { BinaryRow } from '../../install/find/binaryRows.ts';
import { debianKubernetes } from '../../install/find/cacheLayout.ts';
import { assertNotInUseByOther } from '../../instance/lock.ts';
import { readNodeFile } from '../../instance/nodeFile.ts';
import { kubeconfigPaths } from '../../kubernetes/kubeconfig/clients.ts';
import { nodeCommand } from '../../lib/commandLine.ts';
import { Failure, reasonOf } from '../../lib/errors.ts';
import { cacheDir, nodePaths, nearestExisting } from '../../lib/paths.ts';
import type { Paths } from '../../lib/paths.ts';
import { loadNodeConfig } from '../../supervisor/options.ts';
import type { ConfigOptions } from '../../supervisor/options.ts';
import { plannedGraph } from '../../supervisor/plannedGraph.ts';

export interface DoctorOptions extends Pick<ConfigOptions, 'config' | 'name' | 'dataDir' | 'binDir'> {
  readonly host?: boolean;
}

/** An idle node takes about 1 GiB, and pods need some, too. In bytes. */
const enoughMemory = 2 * 2 ** 30;

/**
 * Checks everything that `up` with these options depends on, and changes nothing.
 * @throws Failure `usage` when the config is not valid.
 */
export async function runChecks({ host = false, ...options }: DoctorOptions): Promise<CheckResult[]> {
  const config = await loadNodeConfig(options);
  const { name, dataDir, binDirs, kubernetes } = config.node;
  const hasKubernetes = kubernetes !== false;
  const paths = nodePaths(name, dataDir);
  const container = inContainer();
  const isDirect = host || container !== undefined || !hasKubernetes;
  const rows = hasKubernetes ? await binaryRows({ binDirs, cacheDir: cacheDir() }) : [];
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
    ...(hasKubernetes ? [checkClock(), checkDataPath(paths.data)] : []),
    ...(hasKubernetes ? await checkHost(paths, { isDirect, inContainer: container !== undefined }) : []),
    await checkSafely('data', async () => {
      await assertNotInUseByOther(paths.data, name);
      return ok('data', paths.data);
    }),
    ...(hasKubernetes ? checkBinaries(rows) : []),
    ...(isDirect ? await checkPorts(config, rows) : []),
    await checkRunning(name),
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

/** Shows what `up` would find on this machine, and what it would choose. */
async function checkHost(
  paths: Paths,
  { isDirect, inContainer: isContainer }: { isDirect: boolean; inContainer: boolean },
): Promise<CheckResult[]> {
  const { data, containerd } = paths;
  return [
    await checkCgroups(),
    ...(await checkSysctls(isDirect)),
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
  const level = message === 'missing' && existsSync('/usr/bin/apt-get') ? 'note' : 'problem';
  return { level, subject: binary, message, ...(remedy === undefined ? {} : { remedy }) };
}

/** Checks the ports of all services: some depend on the config, some on the version of Kubernetes. */
async function checkPorts(config: Config, rows: readonly BinaryRow[]): Promise<CheckResult[]> {
  const found = rows.find(({ binary }) => binary === 'kube-apiserver')?.version;
  const ports = plannedGraph(config, found ?? (config.node.kubernetes || debianKubernetes)).flatMap(
    (component) =>
      component.kind === 'service'
        ? (component.ports ?? []).map((port) => ({ port, name: component.name }))
        : [],
  );
  const results = await Promise.all(ports.map(async ({ port, name }) => checkPort(port, name)));
  const problems = results.filter((result) => result !== undefined);
  return problems.length === 0 ? [ok('ports', 'free')] : problems;
}

async function checkPort(port: number, component: string): Promise<CheckResult | undefined> {
  const holder = await portHolder(port);
  if (holder === undefined) return undefined;
  const message = `${component} needs it, but it is held by ${holder}`;
  return problem(`port ${port}`, message, 'stop that process, or run without --host');
}

async function checkRunning(name: string): Promise<CheckResult> {
  const node = await readNodeFile(name).catch(() => undefined);
  if (node === undefined) return ok('node', `${name} is not running`);
  return note('node', `${name} is running`, nodeCommand('status', { name }));
}

function checkMemory(): CheckResult {
  const gib = `${(totalmem() / 2 ** 30).toFixed(1)} GiB`;
  if (totalmem() >= enoughMemory) return ok('memory', gib);
  return note('memory', gib, 'a node and its pods need 2 GiB');
}
