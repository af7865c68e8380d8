import { areNetworkSettingsWritable } from './sysctls.ts';
import { mayLowerOomScore } from './oomScore.ts';
import { chooseSnapshotter } from './snapshotter.ts';
import type { Snapshotter } from './snapshotter.ts';

/** What the containers of a node depend on, as a look has shown it. */
export interface Machine {
  readonly mayLowerOomScore: boolean;
  readonly snapshotter: Snapshotter;
  readonly areNetworkSettingsWritable: boolean;
}

/** `containerd`: the folder of its data, which need not be there yet. `snapshotter`: what is known already. */
export async function lookAtMachine(containerd: string, snapshotter?: Snapshotter): Promise<Machine> {
  return {
    mayLowerOomScore: mayLowerOomScore(),
    snapshotter: snapshotter ?? (await chooseSnapshotter(containerd)),
    areNetworkSettingsWritable: await areNetworkSettingsWritable(),
  };
}
