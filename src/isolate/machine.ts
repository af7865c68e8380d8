import { areNetworkSettingsWritable } from './kernelSettings.ts';
import { mayLowerOomScore } from './oomScore.ts';
import { chooseSnapshotter } from './snapshotter.ts';
import type { Snapshotter } from './snapshotter.ts';

/** What the containers of a node depend on, as a look has shown it. */
export interface Machine {
  readonly mayLowerOomScore: boolean;
  readonly snapshotter: Snapshotter;
  readonly areNetworkSettingsWritable: boolean;
}

/** `containerd`: the folder of its data, which need not be there yet. `inMemory`: those that will be in memory, as the box has it. */
export async function lookAtMachine(containerd: string, inMemory: readonly string[] = []): Promise<Machine> {
  return {
    mayLowerOomScore: mayLowerOomScore(),
    // A box stands on overlays in memory itself.
    snapshotter: inMemory.includes(containerd) ? 'overlayfs' : await chooseSnapshotter(containerd),
    areNetworkSettingsWritable: await areNetworkSettingsWritable(),
  };
}
