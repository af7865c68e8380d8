import { join } from 'node:path';
import { unknownIp } from '../config/yaml/facts.ts';
import type { NodeConfig } from '../config/schema/node.ts';
import type { Binaries } from '../install/install.ts';
import { nodeCgroup } from '../host/cgroup/nodeCgroup.ts';
import type { HostCapabilities } from '../host/hostCapabilities.ts';
import type { NodeFacts } from '../kubernetes/facts.ts';
import { imagePlaces } from '../kubernetes/images/images.ts';
import { cacheDir, nodePaths } from '../lib/paths.ts';

/** For a graph that is only looked at. */
export const unknownMachine = {
  ip: unknownIp,
  snapshotter: 'overlayfs',
  canLowerOomScore: true,
  areNetworkSettingsWritable: true,
} as const;

/** Everything the node is made from: the config, where things are, and the binaries. */
export function factsOf(
  config: NodeConfig,
  binaries: Binaries,
  machine: HostCapabilities & { readonly ip: string },
): NodeFacts {
  const paths = nodePaths(config.name, config.dataDir);
  return {
    config,
    paths,
    images: imagePlaces(config.images, join(paths.data, 'images')),
    programs: binaries.files,
    cniBinDir: binaries.files.cni,
    cacheDir: cacheDir(),
    minor: Number(/^v?1\.(\d+)/.exec(binaries.versions['kube-apiserver'])?.[1]),
    ...machine,
    cgroupRoot: nodeCgroup(config.name),
    env: {
      PATH: binaries.searchPath,
      // For ctr, which else takes overlayfs.
      CONTAINERD_SNAPSHOTTER: machine.snapshotter,
      // Kubelets with in-tree cloud providers ask 169.254.169.254 who they are.
      AWS_EC2_METADATA_DISABLED: 'true',
    },
  };
}
