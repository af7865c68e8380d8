import type { CheckResult } from '../host/checkResult.ts';
import { inspectHost } from '../host/hostCapabilities.ts';
import type { HostCapabilities } from '../host/hostCapabilities.ts';
import { systemFoldersResult } from '../host/snapshotter.ts';
import type { Binaries } from '../install/install.ts';
import { forgetSupervisor, recordSupervisor } from '../instance/nodeLocks.ts';
import { nodePaths } from '../lib/paths.ts';
import type { ReceivedBoot } from '../sandbox/bootChannel.ts';
import { refreshSystemFolders } from '../sandbox/mounts.ts';
import { finishSetupInside } from '../sandbox/finishSetupInside.ts';
import type { Takeover } from './takeover.ts';

/** Where a node runs: in its sandbox, or directly on the host or in a container. */
export interface NodeHost {
  readonly isSandboxed: boolean;
  /** The cluster in whose network on this machine a sandbox is: see sandbox/clusterNetwork.ts. */
  readonly cluster?: string;
  /** Of a node without a sandbox, whose components outlive a supervisor that is killed. */
  readonly takeover?: Takeover;
  /** The node's own address. */
  readonly ip: string;
  /** The host's address for a node in a sandbox. */
  readonly hostIp?: string;
  /** `undefined` for a graph without Kubernetes. */
  readonly capabilities: Promise<HostCapabilities> | undefined;
  /** Resolves with what was checked and changed, when everything that the node needs around it is in place. */
  readonly prepared: Promise<readonly CheckResult[]>;
  /** Called with the binaries before any of them runs. Resolves with what was checked by them. */
  readonly onBinaries: (binaries: Binaries) => Promise<readonly CheckResult[]>;
  /** Makes this process start the node again when it has stopped. */
  readonly restart?: () => void;
  /** Called before each restart of a component. */
  readonly beforeRestart?: () => Promise<void>;
  /** Takes back what this process has prepared. */
  readonly leave: () => Promise<void>;
}

/** The sandbox around this process. The launcher takes it away in the end. */
export function sandboxHost(boot: ReceivedBoot): NodeHost {
  const { spec, addresses, snapshotter } = boot;
  const { containerd } = nodePaths(spec.name, spec.data);
  // Its data is in a tmpfs, which takes overlays, whatever the file system of the data folder does.
  const isEphemeral = spec.tmpfs?.includes(containerd) === true;
  let isRecorded = false;
  const prepare = async (): Promise<readonly CheckResult[]> => {
    await finishSetupInside(boot);
    recordSupervisor(spec.run, spec.data);
    isRecorded = true;
    return isEphemeral ? [] : [systemFoldersResult(snapshotter, spec.data)];
  };
  const prepared = prepare();
  const capabilities = inspectHost(containerd, isEphemeral ? 'overlayfs' : snapshotter);
  // Whoever awaits them hears of a failure.
  for (const pending of [prepared, capabilities]) pending.catch(() => undefined);
  return {
    isSandboxed: true,
    ...(spec.cluster !== undefined && { cluster: spec.cluster }),
    ip: addresses.nodeIp,
    hostIp: addresses.hostIp,
    capabilities,
    prepared,
    onBinaries: async () => [],
    beforeRestart: refreshSystemFolders,
    leave: async () => (isRecorded ? forgetSupervisor(spec.run) : undefined),
  };
}
