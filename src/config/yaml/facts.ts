import { join } from 'node:path';
import { nodePaths } from '../../lib/paths.ts';
import type { NodeConfig } from '../schema/node.ts';

/** What a config can refer to besides the environment, by name: `node.ip`, `paths.kubeconfig`. */
export type ConfigVariables = Readonly<Record<string, string>>;

/** The address of a node that has none of its own: a graph without Kubernetes, or one that is not running yet. */
export const unknownIp = '127.0.0.1';

/** What is known about the node only when it is started, and where its config lies. */
export interface VariableSources {
  /** The node's own address. */
  readonly ip: string;
  /** The folder of the config file. */
  readonly configDir: string;
}

/** The facts of a node: its names, everything under `network`, its paths, and the config's folder. */
export function configVariables(node: NodeConfig, { ip, configDir }: VariableSources): ConfigVariables {
  const paths = nodePaths(node.name, node.dataDir);
  return {
    name: node.name,
    'node.name': node.nodeName,
    'node.ip': ip,
    ...prefixed('network', node.network),
    ...prefixed('paths', { ...paths, kubeconfig: join(paths.kubeconfigs, 'admin.conf') }),
    'config.dir': configDir,
  };
}

function prefixed(prefix: string, values: object): Record<string, string> {
  return Object.fromEntries(
    Object.entries(values).map(([key, value]) => [`${prefix}.${key}`, String(value)]),
  );
}
