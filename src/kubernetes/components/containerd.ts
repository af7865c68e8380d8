import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { cri } from '../../../probes/kinds/cri.ts';
import type { Dependency, Service } from '../../engine/component.ts';
import { bridgeNetwork } from './cni.ts';
import { nodeProgram } from '../environment.ts';
import type { NodeFacts } from '../facts.ts';
import { pauseImageOf } from '../images/pauseImage.ts';

/** containerd, with its own root, state and socket: independent of any other containerd on the machine. */
export function containerd(facts: NodeFacts, needs: readonly Dependency[]): Service {
  const { paths, proxyEnv } = facts;
  const configFile = join(paths.containerd, 'config.toml');
  const command = async () => {
    for (const folder of [paths.containerd, paths.cni]) mkdirSync(folder, { recursive: true });
    writeFileSync(configFile, configuration(facts));
    // Before the kubelet asks for the network.
    writeFileSync(join(paths.cni, '10-bridge.conflist'), bridgeNetwork(facts));
    const program = nodeProgram(facts, 'containerd', ['--config', configFile]);
    // It pulls images.
    return { ...program, env: { ...program.env, ...proxyEnv } };
  };
  return {
    kind: 'service',
    name: 'containerd',
    needs,
    command,
    // Not just the socket: containerd also listens when its CRI plugin has failed to load.
    ready: cri(paths.containerdSocket),
    live: cri(paths.containerdSocket),
  };
}

/** The config file in version 2, which containerd reads since 1.3; containerd 2.x converts it. */
function configuration(facts: NodeFacts): string {
  const { config, paths, cniBinDir, snapshotter, canLowerOomScore } = facts;
  return `version = 2
root = ${quote(join(paths.containerd, 'root'))}
state = ${quote(join(paths.run, 'containerd'))}
disabled_plugins = ["io.containerd.internal.v1.opt", "io.containerd.snapshotter.v1.btrfs", "io.containerd.snapshotter.v1.zfs", "io.containerd.snapshotter.v1.aufs", "io.containerd.snapshotter.v1.devmapper"]
[grpc]
  address = ${quote(paths.containerdSocket)}
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = ${quote(pauseImageOf(config))}
  # Without the right to lower the OOM score, runc fails and no pod starts.
  restrict_oom_score_adj = ${!canLowerOomScore}
  # Removed with the run folder.
  netns_mounts_under_state_dir = true
  [plugins."io.containerd.grpc.v1.cri".containerd]
    snapshotter = ${quote(snapshotter)}
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = ${quote(cniBinDir)}
    conf_dir = ${quote(paths.cni)}
`;
}

/** A TOML basic string: JSON's escapes are a subset of TOML's. */
function quote(text: string): string {
  return JSON.stringify(text);
}
