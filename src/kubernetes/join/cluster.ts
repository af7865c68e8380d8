import { isIPv4 } from 'node:net';
import { at, textAt } from '../../../probes/transport/json.ts';
import { isDomain, parseCidr } from '../../config/schema/addresses.ts';
import type { NodeConfig } from '../../config/schema/node.ts';

/** What the nodes of a cluster have in common: what a worker is told by its control plane. */
export interface ClusterFacts {
  /** The version of the API server, such as 1.36.2. */
  readonly kubernetes: string;
  /** The range of the pods of all nodes. */
  readonly clusterCidr: string;
  readonly serviceCidr: string;
  readonly dnsIp: string;
  readonly clusterDomain: string;
}

/** The ConfigMap that tells it, and its key. */
export const clusterConfigMap = {
  namespace: 'kube-system',
  name: 'k8s-single',
  key: 'cluster.json',
} as const;

/** Its path. */
export const clusterPath = `/api/v1/namespaces/${clusterConfigMap.namespace}/configmaps/${clusterConfigMap.name}`;

export function clusterFactsOf({ network }: Pick<NodeConfig, 'network'>, kubernetes: string): ClusterFacts {
  const { clusterCidr, serviceCidr, dnsIp, clusterDomain } = network;
  return { kubernetes, clusterCidr, serviceCidr, dnsIp, clusterDomain };
}

/** Checks what was read: undefined if something is missing or no address. */
export function readClusterFacts(value: unknown): ClusterFacts | undefined {
  const text = (key: keyof ClusterFacts): string => textAt(value, key);
  const [clusterCidr, serviceCidr, dnsIp] = [text('clusterCidr'), text('serviceCidr'), text('dnsIp')];
  const clusterDomain = text('clusterDomain');
  const areRanges = [clusterCidr, serviceCidr].every((range) => typeof parseCidr(range) !== 'string');
  if (at(value, 'kubernetes') === undefined || !areRanges || !isIPv4(dnsIp) || !isDomain(clusterDomain))
    return undefined;
  return { kubernetes: text('kubernetes'), clusterCidr, serviceCidr, dnsIp, clusterDomain };
}

/** The config of a node in this cluster. The range of its own pods is told only when it is registered: see podNetwork.ts. */
export function inCluster<Config extends Pick<NodeConfig, 'network'>>(
  config: Config,
  cluster: ClusterFacts,
): Config {
  const { clusterCidr, serviceCidr, dnsIp, clusterDomain } = cluster;
  const ranges = { podCidr: clusterCidr, clusterCidr, serviceCidr };
  return { ...config, network: { ...config.network, ...ranges, dnsIp, clusterDomain } };
}
