import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { NodeConfig } from '../config/schema/node.ts';
import { toFailure } from '../host/checkResult.ts';
import type { CheckResult } from '../host/checkResult.ts';
import { killNodeCgroup } from '../host/cgroup/nodeCgroup.ts';
import { canHaveEgress, egressAddresses, planEgress } from '../host/egress.ts';
import type { PortMapping } from '../config/schema/ports.ts';
import { assertInotifyLeft } from '../host/inotify.ts';
import { assertCanBoot } from '../host/preflight.ts';
import { cacheDirs } from '../install/find/cacheLayout.ts';
import { findBinaries, searchPath } from '../install/find/findBinaries.ts';
import { sandboxBinaries } from '../install/find/binaries.ts';
import type { Binaries } from '../install/install.ts';
import { NodeLocks } from '../instance/nodeLocks.ts';
import { completeRestore } from '../kubernetes/snapshots/completeRestore.ts';
import { Failure, reasonOf } from '../lib/errors.ts';
import { cacheDir, nodePaths, programFile } from '../lib/paths.ts';
import { signalOf } from '../lib/signals.ts';
import type { Signals } from '../lib/signals.ts';
import { Sandbox } from '../sandbox/sandbox.ts';
import type { SandboxedProcess, SandboxOptions } from '../sandbox/sandbox.ts';
import type { SandboxSpec } from '../sandbox/sandboxSpec.ts';
import { encodeBootSpec } from '../supervisor/bootSpec.ts';
import type { BootSpec } from '../supervisor/bootSpec.ts';
import { openListener } from '../supervisor/listener.ts';
import { openPorts } from '../supervisor/ports/open.ts';
import { findPasta, recordUseBy, resolveBinaries } from '../supervisor/resolveBinaries.ts';
import type { SupervisorLog } from './supervisorLog.ts';

/** What has to be known of a node to start its supervisor process. */
export interface NodeStart {
  readonly name: string;
  /** Absolute. Default: see {@link nodePaths}. */
  readonly dataDir?: string | undefined;
  readonly listen?: string | undefined;
  /** The cluster whose other nodes on this machine it is to reach. */
  readonly cluster?: string | undefined;
  /** Ports to publish, checked. */
  readonly ports?: readonly string[];
  readonly kubelet?: Pick<NodeConfig['kubelet'], 'minFreeMiB'>;
  /** The output of a supervisor without a terminal. Called with the node's log folder, once its data lock is held. */
  readonly openLog?: ((logs: string) => Promise<SupervisorLog>) | undefined;
  /** The hint where there can be no sandbox. */
  readonly alternative?: string;
}

/** A supervisor that has received its boot spec. */
export interface Supervisor extends SandboxedProcess {
  readonly binaries: Binaries;
  /** Whether the node reaches other machines. */
  readonly egress: CheckResult;
  /** Kills everything of the node at once, for a node of which nothing is kept. */
  readonly kill: () => Promise<void>;
}

/**
 * From a command to a running supervisor in a sandbox: {@link start}, then {@link run}. Disposed of, it takes back everything
 * of a start that came to nothing, and leaves a running supervisor alone.
 */
export class Launch implements AsyncDisposable {
  readonly locks = new NodeLocks();
  readonly #signals: Signals;
  #sandbox: Sandbox | undefined;
  #log: SupervisorLog | undefined;
  #ports: readonly PortMapping[] = [];
  #cluster: string | undefined;

  constructor(signals: Signals) {
    this.#signals = signals;
  }

  /** Whether {@link start} has been called. */
  get hasStarted(): boolean {
    return this.#sandbox !== undefined;
  }

  /** What the supervisor wrote to its log. */
  async log(): Promise<string> {
    return (await this.#log?.text()) ?? '';
  }

  /**
   * Takes the locks and starts the supervisor process in new namespaces, where it waits for its boot spec.
   * @throws Failure `preflight` when the node runs already, its data folder is in use or cannot be used, or a port is taken
   */
  async start({
    name,
    dataDir,
    listen,
    cluster,
    ports = [],
    kubelet,
    openLog,
    alternative,
  }: NodeStart): Promise<void> {
    const { run, data, logs } = nodePaths(name, dataDir);
    assertCanBoot(data, kubelet?.minFreeMiB);
    assertInotifyLeft();
    await this.locks.acquireNode(name, run, this.#signals.interrupted);
    await this.locks.acquireData(name, data);
    // Before the binaries are looked for: it may change the version of the data.
    await completeRestore(data);
    this.#log = await openLog?.(logs);
    const options: SandboxOptions = {
      name,
      run,
      data,
      cluster,
      // With the arguments of this command, by which people find it among the processes.
      argv: [process.execPath, programFile('supervisor'), ...process.argv.slice(2)],
      alternative,
      ...(this.#log !== undefined && { stdio: ['ignore', ...this.#log.outputs] as const }),
    };
    this.#cluster = cluster;
    using published = await openPorts(ports);
    this.#ports = published.ports;
    const { sockets } = published;
    const listener = listen === undefined ? undefined : await openListener(listen);
    try {
      const { interrupted } = this.#signals;
      this.#sandbox = await Sandbox.start({ ...options, listener, sockets }, this.locks, interrupted);
    } finally {
      listener?.close();
    }
  }

  /**
   * Finds or installs the binaries while the sandbox is provisioned, and sends the boot spec.
   * @param overrides of the sandbox
   * @throws Failure `install` or `preflight`; Interrupted when a signal arrives before the supervisor runs
   */
  async run(spec: BootSpec, overrides: Partial<SandboxSpec> = {}): Promise<Supervisor> {
    const sandbox = this.#sandbox;
    if (sandbox === undefined) throw new Error('run() before start()');
    const { options, config } = spec;
    const { binDirs, network, snapshots } = config.node;
    if (snapshots.dir !== undefined) makeSnapshotDir(snapshots.dir);
    const mode = network.egress ?? 'auto';
    const own = sandboxSpecOf(config.node, this.#cluster);
    const kept = [...(own.kept ?? []), ...(overrides.kept ?? [])];
    const sandboxSpec = { ...own, egress: canHaveEgress(mode), ...overrides, kept };
    const places = { binDirs: config.node.binDirs, cacheDirs: cacheDirs(cacheDir()) };
    const canProvision = findBinaries({ ...places, binaries: sandboxBinaries }).missing.length === 0;
    // Otherwise the programs that set up a sandbox have to be installed first.
    if (canProvision) sandbox.provision(sandboxSpec, searchPath(places));
    const wanted = { ...config.node, pasta: pastaWanted[mode] };
    const binaries = await resolveBinaries(options, wanted, this.#signals.interrupted);
    recordUseBy(config.node, options, binaries);
    const plan = planEgress(mode, mode === 'none' ? undefined : findPasta(binDirs));
    if (plan.result.level === 'problem') throw toFailure(plan.result);
    if (!canProvision) sandbox.provision(sandboxSpec, binaries.searchPath);
    const task = encodeBootSpec({ ...spec, binaries, egress: plan, ports: this.#ports });
    const nameServer = plan.egress?.nameServer === undefined ? undefined : egressAddresses.dns;
    const { exitCode, stop, detach } = await sandbox.run({ ...sandboxSpec, nameServer }, task, this.#signals);
    let isKilledByUs = false;
    const explained = exitCode.then((code) => {
      const killed = isKilledByUs ? '' : killedText(config.node.name, code);
      if (killed !== '') console.error(killed);
      return code;
    });
    explained.catch(() => undefined);
    const kill = async (): Promise<void> => {
      isKilledByUs = true;
      await killNodeCgroup(config.node.name);
      await explained;
    };
    return { exitCode: explained, stop, detach, binaries, egress: plan.result, kill };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#sandbox?.abort();
    await this.#log?.close();
    this.locks.release();
  }
}

/** When pasta is installed, for each `network.egress`. */
const pastaWanted = { auto: 'withOthers', pasta: 'required', none: 'never' } as const;

/**
 * What to say of a supervisor that has ended with this exit code: nothing in a node ends by a signal unless somebody else, or the kernel,
 * kills it. Empty if no signal has ended it.
 */
export function killedText(name: string, exitCode: number): string {
  const signal = signalOf(exitCode);
  if (signal === undefined) return '';
  return (
    `k8s-single: node ${name} is down: its supervisor, or a process around it, was ended by ${signal}\n` +
    '  if nobody did that, memory was short: dmesg | grep -i "killed process"'
  );
}

/** @throws Failure `preflight` if the disk refuses it */
function makeSnapshotDir(dir: string): void {
  try {
    mkdirSync(dir, { recursive: true, mode: 0o700 });
  } catch (cause) {
    throw new Failure('preflight', `the folder for snapshots cannot be made: ${reasonOf(cause)}`, {
      hint: 'choose another one: snapshots.dir in the config',
      cause,
    });
  }
}

/** The sandbox of a node, which may be in the network of a cluster. */
export function sandboxSpecOf(
  { name, nodeName, dataDir, network, snapshots }: NodeConfig,
  cluster?: string,
): SandboxSpec {
  const { run, data, logs } = nodePaths(name, dataDir);
  const podCidr = cluster === undefined ? network.podCidr : network.clusterCidr;
  return {
    name,
    nodeName,
    run,
    data,
    ...(snapshots.dir !== undefined && { kept: [snapshots.dir] }),
    binds: { '/var/log/pods': join(logs, 'pods'), '/var/log/containers': join(logs, 'containers') },
    ...(cluster !== undefined && { cluster }),
    nodeSubnet: network.nodeSubnet,
    excludeSubnets: [podCidr, network.serviceCidr],
    serviceCidr: network.serviceCidr,
    podCidr,
  };
}
