import { canLowerOomScore } from './oomScore.ts';
import { chooseSnapshotter } from './snapshotter.ts';
import type { Snapshotter } from './snapshotter.ts';
import { areNetworkSettingsWritable } from './sysctls.ts';

/** What this host offers to the containers of a node. */
export interface HostCapabilities {
  readonly canLowerOomScore: boolean;
  readonly snapshotter: Snapshotter;
  readonly areNetworkSettingsWritable: boolean;
}

/** `containerd`: its data folder, which may not exist yet. `snapshotter`: if it is chosen already. */
export async function inspectHost(containerd: string, snapshotter?: Snapshotter): Promise<HostCapabilities> {
  return {
    canLowerOomScore: canLowerOomScore(),
    snapshotter: snapshotter ?? (await chooseSnapshotter(containerd)),
    areNetworkSettingsWritable: await areNetworkSettingsWritable(),
  };
}
