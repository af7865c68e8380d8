import { join } from 'node:path';
import type { NodeConfig } from '../config/node.ts';
import { nodeCgroup } from '../isolate/cgroup.ts';
import type { NodeFacts } from '../node/facts.ts';
import { cacheDir, nodePaths } from '../paths.ts';
import type { UpOptions } from './options.ts';
import { toolchain } from './toolchain.ts';

/** Everything the node is made from: the config, where things are, and the binaries that are there or get installed. */
export async function factsOf(options: UpOptions, config: NodeConfig, ip: string): Promise<NodeFacts> {
  const tools = await toolchain(options, config);
  return {
    config,
    paths: nodePaths(config.name, config.dataDir),
    programs: tools.programs,
    cniBinDir: tools.programs.cni,
    cacheDir: cacheDir(),
    minor: tools.kubernetes.minor,
    ip,
    cgroupRoot: nodeCgroup(config.name),
    env: {
      PATH: tools.path,
      // Kubelets up to 1.2x with in-tree cloud providers ask 169.254.169.254 who they are.
      AWS_EC2_METADATA_DISABLED: 'true',
    },
  };
}
