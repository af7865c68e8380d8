import { areNetworkSettingsWritable } from './sysctls.ts';
import { canLowerOomScore } from './oomScore.ts';
import { chooseSnapshotter } from './snapshotter.ts';
import type { Snapshotter } from './snapshotter.ts';

/** What the containers of a node depend on, as a look has shown it. */
export interface HostCapabilities {
  readonly canLowerOomScore: boolean;
  readonly snapshotter: Snapshotter;
  readonly areNetworkSettingsWritable: boolean;
}

/** `containerd`: the folder of its data, which need not be there yet. `snapshotter`: what is known already. */
export async function inspectHost(containerd: string, snapshotter?: Snapshotter): Promise<HostCapabilities> {
  return {
    canLowerOomScore: canLowerOomScore(),
    snapshotter: snapshotter ?? (await chooseSnapshotter(containerd)),
    areNetworkSettingsWritable: await areNetworkSettingsWritable(),
  };
}
