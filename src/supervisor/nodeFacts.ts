import { join } from 'node:path';
import { unknownIp } from '../config/yaml/variables.ts';
import type { NodeConfig } from '../config/schema/node.ts';
import { cacheImagesDir } from '../install/find/cacheLayout.ts';
import type { Binaries } from '../install/install.ts';
import { nodeCgroup } from '../host/cgroup/nodeCgroup.ts';
import type { HostCapabilities } from '../host/hostCapabilities.ts';
import { differencesOf } from '../kubernetes/components/differences.ts';
import { initialObjectsFile } from '../kubernetes/components/initialObjects.ts';
import { nodeAddresses, nodeEnvironment } from '../kubernetes/environment.ts';
import type { NodeFacts } from '../kubernetes/facts.ts';
import { imagePlaces } from '../kubernetes/images/images.ts';
import { cacheDir, nodePaths } from '../lib/paths.ts';
import { proxyEnv } from '../lib/proxyEnv.ts';
import { hostAlias } from '../sandbox/sandboxSpec.ts';
import type { NodeHost } from './nodeHost.ts';

/** Stands in for the host's capabilities in a graph that is only shown. */
export const unknownHost = {
  ip: unknownIp,
  isSandboxed: false,
  isReachable: false,
  snapshotter: 'overlayfs',
  canLowerOomScore: true,
  areNetworkSettingsWritable: true,
  resolvConf: undefined,
  dns: { kind: 'embedded' },
  addons: { files: undefined, hasConfigFile: false },
} as const;

/** Everything that the components are made from: the config, the paths, the binaries and the host's capabilities. */
export function factsOf(
  config: NodeConfig,
  binaries: Binaries,
  {
    hostIp,
    ...capabilities
  }: HostCapabilities &
    Pick<
      NodeFacts,
      'ip' | 'isSandboxed' | 'isReachable' | 'egress' | 'dns' | 'resolvConf' | 'addons' | 'joining'
    > &
    Pick<NodeHost, 'hostIp'>,
): NodeFacts {
  const paths = nodePaths(config.name, config.dataDir);
  const { 'kube-apiserver': kubernetes } = binaries.versions;
  return {
    config,
    paths,
    images: imagePlaces(config.images, join(paths.data, 'images'), cacheImagesDir(cacheDir())),
    programs: binaries.files,
    cniBinDir: binaries.files.cni,
    cacheDir: cacheDir(),
    initialObjects: initialObjectsFile(cacheDir(), kubernetes),
    kubernetesVersion: kubernetes,
    differences: differencesOf({ ...binaries.versions, kubernetes }),
    ...capabilities,
    cgroupRoot: nodeCgroup(config.name),
    env: nodeEnvironment(process.env, {
      searchPath: binaries.searchPath,
      snapshotter: capabilities.snapshotter,
    }),
    proxyEnv: proxyEnv(process.env, [
      ...nodeAddresses(config, capabilities.ip),
      // A registry on the host.
      ...(hostIp === undefined ? [] : [hostIp, hostAlias]),
    ]),
  };
}
